"""One process for a run imports the programs of all jobs; each job is a fork of it.

Jobs behave as they do without a server. Snakemake starts ``scripts/job_client.py`` instead of the
program. The client sends its folder, environment, streams and command line to the server, and ends
as the fork ends. When a client is killed, so is its job. Without a server (it may have been killed)
the client becomes the program. A cluster's job of several steps has its own server.

The server has one thread, and opens no store: clients of stores do not survive a fork. It starts to
serve when the programs of the first steps are imported. Meanwhile a fork of it imports those of
later steps, then serves its own socket, and so on: no job waits for imports that it does not need.
"""

import atexit
import contextlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from uplift.workflow.forks import FEW_THREADS, Fork

SCRIPTS = Path(__file__).resolve().parents[2]
_WAITING = 1024
"""Clients that may wait for the imports: one for each job that Snakemake runs at a time."""
_LENGTH = 8
_THEN = "then"
"""Separates the arguments (socket and programs) of one fork from the next."""
_FIRST = "first"
_LATER = {
    "convert": ("convert",),
    "validate": ("validate", "archive"),
    "report": ("report", "plans"),
}
"""Sockets, and the programs that each serves: those that import other people's readers, then those
that import their validators, then those that draw pictures and pages. All others take less time to
import than to run."""


@dataclass
class JobServer:
    """Server of the jobs of one run of the workflow, seen from Snakemake's process.

    Attributes
    ----------
    folder
        Folder of its sockets, made when it starts; jobs are given its path before that.
    """

    folder: Path = field(
        default_factory=lambda: Path(tempfile.gettempdir(), f"ngff-uplift-{uuid.uuid4().hex[:16]}")
    )
    _process: subprocess.Popen[bytes] | Fork | None = None
    _pipe: int = -1

    def command(self, program: str) -> list[str]:
        """Command that runs a program of ``scripts``; its options follow."""
        socket_path = str(self.folder / _socket_of(Path(program).stem))
        client = [sys.executable, "-I", "-S", str(SCRIPTS / "job_client.py"), socket_path]
        return [*(client if _is_possible() else [sys.executable]), program]

    def start(
        self, programs: Iterable[str], modules: Sequence[str] = (), *, forked: bool = False
    ) -> None:
        """Start it; jobs of other programs import them themselves.

        Parameters
        ----------
        programs
            Names of modules in ``scripts``.
        modules
            Other modules that all of them need.
        forked
            Whether it is a fork of this process, which has imported half of the modules already.
        """
        if not _is_possible() or self._process is not None:
            return
        by_socket: dict[str, list[str]] = {name: [] for name in (_FIRST, *_LATER)}
        for program in programs:
            by_socket[_socket_of(program)].append(program)
        with contextlib.ExitStack() as opened:
            words: list[str] = []
            handed: list[int] = []
            try:
                self.folder.mkdir(mode=0o700)  # nobody else has jobs run here
                for name, imported in by_socket.items():
                    if not imported:
                        continue
                    listening = opened.enter_context(socket.socket(socket.AF_UNIX))
                    listening.bind(str(self.folder / name))
                    listening.listen(_WAITING)
                    handed.append(listening.fileno())
                    words += [_THEN] if words else []
                    words += [str(handed[-1]), *(modules if len(handed) == 1 else ()), *imported]
                theirs, self._pipe = os.pipe()
                opened.callback(os.close, theirs)
                command = [str(theirs), *words]
                if forked:
                    self._process = Fork("job_server", command, [*handed, theirs])
                else:
                    self._process = subprocess.Popen(
                        [sys.executable, str(SCRIPTS / "job_server.py"), *command],
                        pass_fds=[*handed, theirs],
                        env={**os.environ, **FEW_THREADS},
                    )
                atexit.register(self.stop)  # where Snakemake ends before its last hook
            except OSError:  # no room for a socket, or its path is too long: they run by themselves
                shutil.rmtree(self.folder, ignore_errors=True)

    def stop(self) -> None:
        """End it, when no job runs any more."""
        if self._process is None:
            return
        os.close(self._pipe)
        self._process.wait()
        self._process = None
        shutil.rmtree(self.folder, ignore_errors=True)


def _is_possible() -> bool:
    """Only on Linux: elsewhere the system's own libraries do not survive a fork."""
    return sys.platform == "linux"


def _socket_of(program: str) -> str:
    return next((name for name, programs in _LATER.items() if program in programs), _FIRST)


def groups_of(words: Iterable[str]) -> list[list[str]]:
    """Descriptor of the socket, and modules to import, of each process that serves."""
    groups: list[list[str]] = [[]]
    for word in words:
        if word == _THEN:
            groups.append([])
        else:
            groups[-1].append(word)
    return groups


def serve(listening: int, workflow: int) -> str | None:
    """Fork for each client, and tell it how the fork ended, until the workflow has ended.

    Parameters
    ----------
    listening
        Descriptor of the socket.
    workflow
        Descriptor of a pipe that the workflow holds open.

    Returns
    -------
    str or None
        In a fork the module to run, with the client's folder, environment and streams; None in
        the server, at its end.
    """
    jobs: dict[int, socket.socket] = {}
    with socket.socket(fileno=listening) as server, _ended_children() as ended:
        socket_path = Path(server.getsockname())
        poll = select.poll()
        for descriptor in (listening, workflow, ended):
            poll.register(descriptor, select.POLLIN)
        is_over = False
        while jobs or not is_over:
            found = {descriptor for descriptor, _ in poll.poll()}
            for child, connection in jobs.items():
                if connection.fileno() in found:  # the client was killed
                    poll.unregister(connection)
                    os.kill(child, signal.SIGKILL)
            if ended in found:
                os.read(ended, 512)
                _answer(jobs, poll)
            if workflow in found:
                is_over = True
                poll.unregister(workflow)
                poll.unregister(listening)
                shutil.rmtree(socket_path.parent, ignore_errors=True)
            elif listening in found:
                connection, _ = server.accept()
                child = os.fork()
                if child == 0:
                    break
                jobs[child] = connection
                poll.register(connection, 0)  # for its end; what it says is for the fork
        else:
            return None
        os.close(workflow)
        for other in jobs.values():
            other.close()
    return _become(connection)


@contextlib.contextmanager
def _ended_children() -> Iterator[int]:
    """Descriptor that has something to read when a child has ended."""
    ended, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    try:
        yield ended
    finally:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(ended)
        os.close(wake)


def _answer(jobs: dict[int, socket.socket], poll: select.poll) -> None:
    """Remove jobs that have ended, and send their clients exit codes as a shell has them."""
    with contextlib.suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            if found[0] not in jobs:  # the fork that serves later steps
                continue
            code = os.waitstatus_to_exitcode(found[1])
            # a client that was killed is not listened to any more, and hears nothing
            with jobs.pop(found[0]) as connection, contextlib.suppress(KeyError, OSError):
                poll.unregister(connection)
                connection.send(bytes([code if code >= 0 else 128 - code]))


def _become(connection: socket.socket) -> str:
    """Take over the client's folder, environment, streams and arguments."""
    header, streams, _, _ = socket.recv_fds(connection, _LENGTH, 3)
    size = int.from_bytes(header, "big")
    with connection.makefile("rb") as stream:
        folder, count, *words = stream.read(size).split(b"\0")
    for number, stream_of_client in enumerate(streams):
        os.dup2(stream_of_client, number)
        os.close(stream_of_client)
    os.chdir(folder)
    os.environb.clear()
    for word in words[: int(count)]:
        name, _, value = word.partition(b"=")
        os.environb[name] = value
    sys.argv = [os.fsdecode(word) for word in words[int(count) :]]
    connection.send(b"s")
    connection.detach()  # stays open: the client waits for this process if the server is killed
    return Path(sys.argv[0]).stem
