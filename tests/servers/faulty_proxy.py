"""A reverse proxy for HTTP/1.1 that adds latency, refuses, breaks off and stalls.

The Host header is passed on as it is, so that signatures made for the proxy's address stay valid.
"""

import asyncio
import random
import socket
import struct
import threading
import time
from collections import Counter
from dataclasses import dataclass

_PIECE = 1 << 18
_SLOW_DOWN = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>injected</Message></Error>"


@dataclass(frozen=True)
class Faults:
    """What happens to requests, as shares of them.

    Attributes
    ----------
    error
        503 SlowDown; the request is not forwarded.
    before, midway, after
        The connection is reset: nothing forwarded; half the answer's body sent; all of the work
        done and its answer lost.
    stall
        The request waits `stall_s`, then goes on.
    latency_s
        Added to every request.
    """

    error: float = 0.0
    before: float = 0.0
    midway: float = 0.0
    after: float = 0.0
    stall: float = 0.0
    stall_s: float = 1.0
    latency_s: float = 0.0

    def choose(self, rng: random.Random) -> str:
        draw = rng.random()
        for kind in ("error", "before", "midway", "after", "stall"):
            draw -= getattr(self, kind)
            if draw < 0:
                return kind
        return ""


class _ResetError(Exception):
    """The client's connection is to be reset."""


class _Upstream:
    """One client's connection to the server behind."""

    def __init__(self, port: int) -> None:
        self.port, self.reader, self.writer = port, None, None

    async def connect(self) -> None:
        if self.writer is not None and not self.reader.at_eof():
            return
        self.close()
        found = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 20)
        self.reader, self.writer = found
        _no_delay(self.writer)

    def close(self) -> None:
        if self.writer is not None:
            self.writer.close()
        self.writer = None


class FaultyProxy:
    """Runs in a thread of its own, as a context manager; `endpoint` is its URL."""

    def __init__(self, port: int, faults: Faults, seed: int = 0) -> None:
        self.faults = faults
        self.counts: Counter[str] = Counter()
        self.asked: Counter[tuple[str, str]] = Counter()
        self.spans: list[tuple[float, float]] = []
        self._upstream = port
        self._rng = random.Random(seed)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> "FaultyProxy":
        self._thread.start()
        start = asyncio.start_server(self._client, "127.0.0.1", 0, limit=1 << 20, backlog=1024)
        self._server = asyncio.run_coroutine_threadsafe(start, self._loop).result()
        self.endpoint = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def longest_wait(self) -> int:
        """Requests of the longest chain in which each began after the one before had ended."""
        count, end = 0, 0.0
        for began, ended in sorted(self.spans, key=lambda span: span[1]):
            if began >= end:
                count, end = count + 1, ended
        return count

    async def _end(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0.05)  # transports close in the next rounds

    async def _client(self, reader, writer) -> None:
        _no_delay(writer)
        upstream = _Upstream(self._upstream)
        try:
            while (head := await _head(reader)) is not None:
                began = time.monotonic()
                await self._request(head, reader, writer, upstream)
                self.spans.append((began, time.monotonic()))
        except _ResetError:
            linger = struct.pack("ii", 1, 0)
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            self.counts["broken"] += 1
        finally:
            writer.close()
            upstream.close()

    async def _request(self, head, reader, writer, upstream) -> None:
        raw, line, fields = head
        method = line.split(b" ", 1)[0].decode()
        fault = self.faults.choose(self._rng)
        self.counts["requests"] += 1
        self.asked[method, line.split(b" ", 2)[1].decode().partition("?")[0]] += 1
        self.counts[fault] += 1
        await asyncio.sleep(self.faults.latency_s)
        if fault == "stall":
            await asyncio.sleep(self.faults.stall_s)
        if fault == "before":
            raise _ResetError
        if fault == "error":
            await self._refuse(method, fields, reader, writer)
            return
        await upstream.connect()
        await _send(upstream.writer, raw)
        answer = None
        if _expects(fields):
            answer = await _head(upstream.reader)
            if answer is not None and b" 100 " in answer[1] + b" ":
                await _send(writer, answer[0])
                answer = None
        if answer is None:
            await _body(reader, fields, upstream.writer)
            answer = await _head(upstream.reader)
        await self._answer(method, fault, answer, upstream.reader, writer)
        if answer[2].get(b"connection", b"").lower() == b"close":
            upstream.close()

    async def _answer(self, method, fault, answer, source, writer) -> None:
        if answer is None:
            raise _ResetError
        raw, line, fields = answer
        status = int(line.split(b" ")[1])
        bare = method == "HEAD" or status in (204, 304)
        if fault == "after":
            if not bare:
                await _body(source, fields, None)
            raise _ResetError
        await _send(writer, raw)
        if fault == "midway":
            if not bare:
                await _copy(source, int(fields.get(b"content-length", b"0")) // 2, writer)
            raise _ResetError
        if not bare:
            await _body(source, fields, writer)

    async def _refuse(self, method, fields, reader, writer) -> None:
        if _expects(fields):
            await _send(writer, b"HTTP/1.1 100 Continue\r\n\r\n")
        await _body(reader, fields, None)
        head = (
            b"HTTP/1.1 503 SlowDown\r\nContent-Type: application/xml\r\nContent-Length: %d\r\n\r\n"
        )
        await _send(writer, head % len(_SLOW_DOWN) + (b"" if method == "HEAD" else _SLOW_DOWN))


def _expects(fields) -> bool:
    return fields.get(b"expect", b"").lower() == b"100-continue"


def _no_delay(writer) -> None:
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def _head(reader):
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    line, *rest = raw[:-4].split(b"\r\n")
    fields = (one.partition(b":") for one in rest)
    return raw, line, {name.strip().lower(): value.strip() for name, _, value in fields}


async def _send(writer, data: bytes) -> None:
    if writer is not None:
        writer.write(data)
        await writer.drain()


async def _body(reader, fields, writer) -> None:
    """Copy one body, with its framing; `writer` None drops it."""
    if not fields.get(b"transfer-encoding", b"").lower().endswith(b"chunked"):
        await _copy(reader, int(fields.get(b"content-length", b"0")), writer)
        return
    while True:
        size = await reader.readuntil(b"\r\n")
        await _send(writer, size)
        length = int(size.split(b";")[0], 16)
        if length == 0:
            break
        await _copy(reader, length + 2, writer)
    while (trailer := await reader.readuntil(b"\r\n")) != b"\r\n":
        await _send(writer, trailer)
    await _send(writer, b"\r\n")


async def _copy(reader, length: int, writer) -> None:
    while length:
        piece = await reader.read(min(length, _PIECE))
        if not piece:
            raise _ResetError
        length -= len(piece)
        await _send(writer, piece)
