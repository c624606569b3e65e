"""A network file system: sshfs over an sftp-server whose answers take as long as one asks for.

The kernel sees a mount of kind ``fuse.sshfs``. Server and mount are on this machine; messages are
held back on their way, so that each look at a file is a round trip.
"""

import asyncio
import contextlib
import multiprocessing
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

_SERVERS = ("/usr/lib/openssh/sftp-server", "/usr/libexec/openssh/sftp-server")
_MOUNTED_S = 10.0
_HEADER = struct.Struct(">IBI")
_WITHOUT_NUMBER = (1, 2)
"""The first message and its answer."""
_REQUESTS, _MOST = 0, 1


def why_not() -> str | None:
    """Say what this machine lacks; None where it has all."""
    if _server() is None or shutil.which("sshfs") is None:
        return "install sshfs and openssh-sftp-server"
    if not Path("/dev/fuse").exists():
        return "/dev/fuse is not there: run where FUSE file systems can be mounted"
    return None


def _server() -> str | None:
    return next((one for one in _SERVERS if Path(one).exists()), None)


class NetworkFiles:
    """A folder of this machine, mounted as one of another.

    Parameters
    ----------
    folder
        Scratch: ``data`` is what the server has, ``mount`` what this machine sees of it.
    latency_s
        Of a round trip.
    """

    def __init__(self, folder: Path, latency_s: float = 0.001) -> None:
        self.data, self.mount = folder / "data", folder / "mount"
        for one in (self.data, self.mount):
            one.mkdir(parents=True)
        context = multiprocessing.get_context("spawn")  # a process that tests may fork has no loop
        self._counts: Any = context.RawArray("Q", 2)
        ours, theirs = context.Pipe()
        arguments = (theirs, self._counts, latency_s / 2)
        self._process = context.Process(target=_run, args=arguments, daemon=True)
        self._process.start()
        theirs.close()
        try:
            self._mount(ours.recv())
        except BaseException:
            self._end()
            raise
        finally:
            ours.close()

    def _mount(self, port: int) -> None:
        # what the client remembers of names and sizes is as old as NFS lets it be
        options = f"directport={port},dir_cache=no,attr_timeout=1,entry_timeout=1"
        command = ["sshfs", "-o", options, f"localhost:{self.data}", str(self.mount)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        if done.returncode:
            raise OSError(f"sshfs: {done.stderr.strip()}")
        end = time.monotonic() + _MOUNTED_S
        while not self.mount.is_mount():
            if time.monotonic() > end:
                raise OSError("sshfs: not mounted")
            time.sleep(0.01)

    def close(self) -> None:
        """Unmount, and end the server."""
        subprocess.run(["fusermount3", "-u", "-z", str(self.mount)], check=True)
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        self._process.join()

    @property
    def requests(self) -> int:
        """Requests since they were forgotten."""
        return int(self._counts[_REQUESTS])

    @property
    def most_at_once(self) -> int:
        """Requests that waited for their answers at the same time, at the most."""
        return int(self._counts[_MOST])

    def forget(self) -> None:
        """Count from now on."""
        self._counts[_REQUESTS] = self._counts[_MOST] = 0


def _run(pipe: Connection, counts: Any, delay_s: float) -> None:
    asyncio.run(_Files(counts, delay_s).listen(pipe))


class _Files:
    """Carries messages between the mount and a server, and counts them."""

    def __init__(self, counts: Any, delay_s: float) -> None:
        self._counts, self._delay_s = counts, delay_s
        self._asked: set[int] = set()

    async def listen(self, pipe: Connection) -> None:
        listening = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        pipe.send(listening.sockets[0].getsockname()[1])
        pipe.close()
        await listening.serve_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        command = _server()
        assert command is not None
        server = await asyncio.create_subprocess_exec(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        assert server.stdin is not None
        assert server.stdout is not None
        with contextlib.suppress(ConnectionError):
            await asyncio.gather(
                self._carry(reader, server.stdin, self._note_request),
                self._carry(server.stdout, writer, self._asked.discard),
            )

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        note: Callable[[int], None],
    ) -> None:
        """Hand messages on, each after the delay, in order."""
        clock = asyncio.get_running_loop().time
        waiting: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        messages = _Messages()

        async def hand_on() -> None:
            while True:
                due, data = await waiting.get()
                await asyncio.sleep(max(0.0, due - clock()))
                if not data:
                    writer.close()
                    return
                writer.write(data)
                await writer.drain()

        handing = asyncio.create_task(hand_on())
        while data := await reader.read(2**18):
            for number in messages.numbers(data):
                note(number)
            waiting.put_nowait((clock() + self._delay_s, data))
        waiting.put_nowait((0.0, b""))
        await handing

    def _note_request(self, number: int) -> None:
        self._asked.add(number)
        self._counts[_REQUESTS] += 1
        self._counts[_MOST] = max(self._counts[_MOST], len(self._asked))


class _Messages:
    """Finds the numbers of SFTP's messages in a stream: length, kind, number, content."""

    def __init__(self) -> None:
        self._head, self._skip = b"", 0

    def numbers(self, data: bytes) -> Iterator[int]:
        """Yield those whose message begins in these bytes, or whose beginning ends there."""
        while data:
            skipped = min(self._skip, len(data))
            self._skip -= skipped
            wanted = _HEADER.size - len(self._head)
            head, data = data[skipped : skipped + wanted], data[skipped + wanted :]
            self._head += head
            if len(self._head) == _HEADER.size:
                length, kind, number = _HEADER.unpack(self._head)
                if kind not in _WITHOUT_NUMBER:
                    yield number
                self._skip, self._head = length + 4 - _HEADER.size, b""
