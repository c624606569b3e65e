"""Single chunks: decode, encode, and check those that are to be kept as they are."""

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from uplift.codecs import streams
from uplift.codecs.chain import Chain, chain_of_source, chain_of_target
from uplift.codecs.codec import Buffer, Codec, Config, DecodeError, Encoded, raw
from uplift.codecs.compressors import decode_blosc
from uplift.codecs.filters import decode_crc32c
from uplift.grid import Index, Shape, element_slices
from uplift.models.arrays import Method, SourceArray, TargetArray
from uplift.zarr_metadata import data_types

__all__ = ["ChunkDecoder", "ChunkEncoder", "ChunkKeeper", "DecodeError", "DecodedChunk"]

UNKNOWN_LIMIT_BYTES = 2**30
"""Most bytes a codec may produce where only the data say how many (strings)."""


class DecodedChunk(NamedTuple):
    """One chunk decoded.

    Attributes
    ----------
    values
        Shape ``source.chunks``, perhaps read-only.
    note
        What is unusual about the chunk and no damage, or None.
    trailing_bytes
        Bytes after the end of the compressed stream, which are left out.
    """

    values: NDArray[Any]
    note: str | None
    trailing_bytes: int


class ChunkDecoder:
    """Decodes the chunks of one source array. Safe to share between threads, unless `reuse`.

    Parameters
    ----------
    source
        The array.
    reuse
        Whether a decoded chunk need only be valid until the next one is decoded.
    """

    def __init__(self, source: SourceArray, *, reuse: bool = False) -> None:
        self.source = source
        self.chain = chain_of_source(source)
        self.dtype = self.chain.dtype
        self.elements = math.prod(source.chunks)
        self.nbytes = None if self.chain.vlen else self.elements * self.dtype.itemsize
        sizes = self.chain.stage_bytes(source.chunks)[:-1]
        limits = [UNKNOWN_LIMIT_BYTES if size is None else size for size in sizes]
        if self.chain.vlen:
            limits[0] = self.elements
        ready = [(row, _with_decoders(row, config)) for row, config in self.chain.codecs]
        self._undo = tuple(zip(ready, limits, strict=True))[::-1]
        self.are_truths = self.dtype.kind == "b"
        only_blosc = [row.id for row, _ in self.chain.codecs] == ["blosc"] and not self.are_truths
        # Fresh memory for each chunk costs a page fault every 4 KiB.
        self._buffer = (
            np.empty(limits[0], np.uint8) if reuse and only_blosc and self.nbytes else None
        )
        self.own_values: NDArray[Any] | None = None
        """What every chunk of the usual size is decoded into; None: each has memory of its own."""
        if self._buffer is not None:
            self.own_values = _arranged(self._buffer.view(self.dtype), source.chunks, self.chain)

    def decode(self, data: Encoded, index: Index | None = None) -> NDArray[Any]:
        """Decode one chunk to an array of shape ``source.chunks``; parameters as :meth:`read`."""
        return self.read(data, index).values

    def read(self, data: Encoded, index: Index | None = None) -> DecodedChunk:
        """Decode one chunk, and say what is unusual about it.

        Parameters
        ----------
        data
            The chunk as stored.
        index
            Its index in the chunk grid. With it, a chunk at the array's edge that holds exactly
            the elements inside the array is accepted too, and filled up with the fill value.

        Raises
        ------
        DecodeError
            The chunk cannot be decoded, or has another size.
        """
        buffer, notes, end = self._undone(data)
        if self.own_values is not None and buffer is self._buffer:
            return DecodedChunk(self.own_values, None, len(data) - end)
        chunks, trailing = self.source.chunks, len(data) - end
        size = buffer.nbytes if isinstance(buffer, np.ndarray) else len(buffer)
        if not self.chain.vlen and size % self.dtype.itemsize:
            raise DecodeError(self._wrong_size(data, size))
        if isinstance(buffer, np.ndarray):
            flat = np.ascontiguousarray(buffer).reshape(-1)
            elements = flat if self.chain.vlen else flat.view(np.uint8).view(self.dtype)
        else:
            elements = np.frombuffer(buffer, dtype=self.dtype)
        if self.are_truths and elements.view(np.uint8).max(initial=0) > 1:
            # true to NumPy, and an error to other readers
            notes.append("has bytes other than 0 and 1, which are read as true")
            elements = elements.view(np.uint8) != 0
        if elements.size == self.elements:
            values = _arranged(elements, chunks, self.chain)
            return DecodedChunk(values, "; ".join(notes) or None, trailing)
        clipped = self._clipped_shape(index)
        if clipped is None or elements.size != math.prod(clipped):
            raise DecodeError(self._wrong_size(data, elements.size if self.chain.vlen else size))
        notes.append(f"holds only the {clipped} elements inside the array")
        padded = self.filled(chunks)
        padded[tuple(slice(n) for n in clipped)] = _arranged(elements, clipped, self.chain)
        return DecodedChunk(padded, "; ".join(notes), trailing)

    def _undone(self, data: Encoded) -> tuple[Buffer, list[str], int]:
        """Undo every codec: the elements' buffer, notes, and where the outermost stream ends."""
        buffer: Buffer = data
        notes: list[str] = []
        end = len(data)
        if self._buffer is not None:
            buffer, stop, _ = decode_blosc(data, {}, self._buffer.nbytes, self._buffer)
            return buffer, notes, end if stop is None else stop
        for depth, ((row, config), limit) in enumerate(self._undo):
            before = buffer
            buffer, stop, note = row.decode(before, config, limit)
            if note is not None:
                notes.append(note)
            if stop is not None and depth == 0:
                end = stop
            elif stop is not None and stop < len(before):
                notes.append(f"has {len(before) - stop} bytes after its {row.id} stream")
        return buffer, notes, end

    def _clipped_shape(self, index: Index | None) -> Shape | None:
        if index is None:
            return None
        region = element_slices(index, self.source.chunks, self.source.shape)
        return tuple(max(0, part.stop - part.start) for part in region)

    def filled(self, shape: Shape) -> NDArray[Any]:
        """Array of `shape` that holds the fill value alone, of the type as stored."""
        fill = data_types.fill_of(self.source)
        if self.chain.vlen:
            fill = str(fill) if self.chain.vlen == "string" else bytes(fill)
        return np.full(shape, fill, dtype=self.dtype)

    def _wrong_size(self, data: Encoded, size: int) -> str:
        if self.chain.vlen:
            return f"holds {size} strings, {self.elements} expected"
        if self._undo:
            return f"decodes to {size} bytes, {self.nbytes} expected"
        return _wrong_raw_size(data, self.nbytes)


class ChunkKeeper:
    """Checks chunks that are to be kept, without decoding them where that is possible.

    For blosc, zstd and raw data this reads headers only; gzip and zlib are inflated once.
    Everything else is decoded.
    """

    def __init__(self, source: SourceArray, method: Method) -> None:
        self._decoder = ChunkDecoder(source)
        codecs = self._decoder.chain.codecs
        self._sum = source.zarr_format == 3 and bool(codecs) and codecs[-1][0].id == "crc32c"
        inner = codecs[:-1] if self._sum else codecs
        row = inner[0][0] if len(inner) == 1 else None
        self._check = None if row is None else row.check
        self._rewrap = None if row is None or method != "rewrap" else row.rewrap
        self._is_raw = not inner

    def keep(self, data: Encoded) -> Encoded:
        """Take a chunk as stored; return what is to be stored of it.

        That is the chunk itself; without the bytes after the end of its stream, where there are
        some; or a gzip stream with the body of its zlib stream.

        Raises
        ------
        DecodeError
            It cannot be kept; decoding it may still succeed.
        """
        nbytes = self._decoder.nbytes
        if self._decoder.are_truths and (note := self._decoder.read(data).note) is not None:
            raise DecodeError(note)
        if self._rewrap is not None and nbytes is not None:
            return self._rewrap(data, nbytes)
        body = raw(decode_crc32c(data, {}, len(data)).data) if self._sum else data
        end = None
        if self._is_raw:
            end = nbytes
            if len(body) != nbytes:
                raise DecodeError(_wrong_raw_size(body, nbytes))
        elif self._check is not None and nbytes is not None:
            end = self._check(body, nbytes)
        if end == len(body):
            return data
        _, note, trailing = self._decoder.read(data)
        if note is not None:
            raise DecodeError(note)
        return data[: len(data) - trailing]


class ChunkEncoder:
    """Encodes the chunks of one output array, to the same bytes on every run.

    Safe to share between threads; blosc uses one thread a chunk.
    """

    def __init__(self, target: TargetArray) -> None:
        self.target = target
        self.chain = chain_of_target(target)

    def encode(self, array: NDArray[Any]) -> bytes:
        """Encode an array of shape ``target.chunks``, of any byte order and memory layout."""
        laid_out = array.transpose(self.chain.order)
        buffer: Buffer = np.ascontiguousarray(laid_out, dtype=self.chain.dtype).reshape(-1)
        for row, config in self.chain.codecs:
            assert row.encode is not None  # noqa: S101 -- plans name writable codecs only
            buffer = row.encode(buffer, config)
        return buffer if isinstance(buffer, bytes) else buffer.tobytes()


def _with_decoders(row: Codec, config: Config) -> Config:
    """Give a shard that is a chunk the decoders of its chunks and of its index."""
    if row.id != "sharding_indexed":
        return config
    return config | {key: ChunkDecoder(config[key]) for key in ("array", "index")}


def _wrong_raw_size(data: Encoded, nbytes: int | None) -> str:
    seen = streams.looks_like(data)
    return f"has {len(data)} bytes, {nbytes} expected" + (f"; it looks like {seen}" if seen else "")


def _arranged(elements: NDArray[Any], shape: Shape, chain: Chain) -> NDArray[Any]:
    """View elements in stored order as an array of `shape`."""
    stored = elements.reshape([shape[axis] for axis in chain.order])
    if chain.order == tuple(range(len(shape))):
        return stored
    inverse = [0] * len(shape)
    for position, axis in enumerate(chain.order):
        inverse[axis] = position
    return stored.transpose(inverse)
