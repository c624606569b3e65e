"""What each thread makes once and uses for many arrays: buffers, decoders, checks.

A plate has thousands of small arrays that are all alike; making a decoder for each, or using fresh
memory, costs more than the chunks themselves.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from uplift.codecs.chunks import ChunkDecoder, ChunkKeeper
from uplift.models.arrays import Method, SourceArray
from uplift.models.once import once_each

T = TypeVar("T")

BUFFER_BYTES = 2**19
"""Chunks that are read before they are written, or compared, together: few system calls, and what
was read is still in a core's own cache (1 MiB on most) when it is hashed, written or decoded. With
4 MiB the system's copying alone took twice as long."""

_KEPT_BYTES = 64 * 2**20
"""A larger buffer is given back: few chunks need it, and each thread would hold one."""
_MOST_KEPT = 32
"""Codec chains of a thread: those of a few arrays at a time, and a plate has thousands."""
_of_thread = threading.local()


@contextlib.contextmanager
def borrowed_buffer() -> Iterator[bytearray]:
    """Lend a buffer of :data:`BUFFER_BYTES` or more to one user at a time."""
    free: list[bytearray] = _of_thread.__dict__.setdefault("buffers", [])
    buffer = free.pop() if free else bytearray(BUFFER_BYTES)
    try:
        yield buffer
    finally:
        if len(buffer) <= _KEPT_BYTES:
            free.append(buffer)


def decoder_of(source: SourceArray) -> ChunkDecoder:
    """Decoder of an array; a decoded chunk is valid until the next one of the thread is decoded."""
    return _kept("decoder", source, lambda: ChunkDecoder(source, reuse=True))


def keeper_of(source: SourceArray, method: Method) -> ChunkKeeper:
    """Check of the encoded chunks of an array that are to be kept."""
    return _kept(method, source, lambda: ChunkKeeper(source, method))


@once_each
def _text_of(source: SourceArray) -> str:
    return source.model_dump_json()


def _kept(kind: str, source: SourceArray, make: Callable[[], T]) -> T:
    kept: dict[tuple[str, str], Any] = _of_thread.__dict__.setdefault("made", {})
    key = (kind, _text_of(source))
    if key not in kept:
        if len(kept) >= _MOST_KEPT:
            kept.clear()
        kept[key] = make()
    made: T = kept[key]
    return made
