"""Decode and encode single chunks: bytes to arrays and back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.codecs import stages, streams, vlen
from uplift.codecs.chain import VLEN_FILTERS, Chain, chain_of_source, chain_of_target
from uplift.codecs.stages import Buffer
from uplift.codecs.streams import DecodeError
from uplift.grid import Index, Shape, element_slices
from uplift.models.arrays import SourceArray, TargetArray
from uplift.zarr_metadata import data_types

__all__ = ["ChunkDecoder", "ChunkEncoder", "DecodeError"]


class ChunkDecoder:
    """Decodes the chunks of one source array. Safe to share between threads."""

    def __init__(self, source: SourceArray) -> None:
        chain = chain_of_source(source)
        self.source = source
        self.chain = chain
        self.dtype = chain.dtype
        self.nbytes = None if chain.vlen else math.prod(source.chunks) * chain.dtype.itemsize
        undo = [
            stages.undo_of(config, limit)
            for config, limit in zip(
                chain.filters, chain.stage_bytes(source.chunks)[:-1], strict=True
            )
            if config["id"] not in VLEN_FILTERS.values()
        ]
        self._undo = tuple(reversed(undo))

    def decode(self, data: bytes, index: Index | None = None) -> NDArray[Any]:
        """Decode one chunk to an array of shape ``source.chunks`` (perhaps read-only).

        Parameters
        ----------
        data
            The chunk as stored.
        index
            Its place in the chunk grid. With it, a chunk at the array's edge that holds exactly
            the elements inside the array is accepted too, and filled up with the fill value.

        Raises
        ------
        DecodeError
            The chunk cannot be decoded, or has another size.
        """
        return self.read(data, index)[0]

    def read(self, data: bytes, index: Index | None = None) -> tuple[NDArray[Any], str | None]:
        """Decode one chunk; also say what was odd about it and had to be forgiven, or None."""
        notes: list[str] = []
        buffer: Buffer = data
        for undo in self._undo:
            buffer = undo(buffer, notes)  # type: ignore[arg-type]
        elements = self._elements(data, buffer)
        chunks = self.source.chunks
        if elements.size == math.prod(chunks):
            return _arranged(elements, chunks, self.chain), "; ".join(notes) or None
        clipped = self._clipped_shape(index)
        if clipped is None or elements.size != math.prod(clipped):
            raise DecodeError(self._wrong_size(data, buffer))
        notes.append(f"holds only the {clipped} elements inside the array")
        padded = self._filled()
        padded[tuple(slice(n) for n in clipped)] = _arranged(elements, clipped, self.chain)
        return padded, "; ".join(notes)

    def _elements(self, data: bytes, buffer: Buffer) -> NDArray[Any]:
        if self.chain.vlen:
            raw = buffer if isinstance(buffer, bytes) else buffer.tobytes()
            expected = math.prod(self.source.chunks)
            if vlen.count_vlen(raw) > expected:
                raise DecodeError(f"holds {vlen.count_vlen(raw)} strings, {expected} expected")
            return vlen.decode_vlen(raw, self.chain.vlen)
        size = buffer.nbytes if isinstance(buffer, np.ndarray) else len(buffer)
        if size % self.dtype.itemsize:
            raise DecodeError(self._wrong_size(data, buffer))
        if isinstance(buffer, np.ndarray):
            return np.ascontiguousarray(buffer).reshape(-1).view(np.uint8).view(self.dtype)
        return np.frombuffer(buffer, dtype=self.dtype)

    def _clipped_shape(self, index: Index | None) -> Shape | None:
        if index is None:
            return None
        region = element_slices(index, self.source.chunks, self.source.shape)
        return tuple(max(0, part.stop - part.start) for part in region)

    def _filled(self) -> NDArray[Any]:
        fill = data_types.fill_scalar(
            data_types.data_type_v3(self.source), data_types.fill_value_v3(self.source)
        )
        if self.chain.vlen:
            fill = str(fill) if self.chain.vlen == "string" else bytes(fill)
        return np.full(self.source.chunks, fill, dtype=self.dtype)

    def _wrong_size(self, data: bytes, buffer: Buffer) -> str:
        if self.chain.vlen:
            raw = buffer if isinstance(buffer, bytes) else buffer.tobytes()
            expected = math.prod(self.source.chunks)
            return f"holds {vlen.count_vlen(raw)} strings, {expected} expected"
        size = buffer.nbytes if isinstance(buffer, np.ndarray) else len(buffer)
        if self._undo:
            return f"decodes to {size} bytes, {self.nbytes} expected"
        seen = streams.looks_like(data)
        return f"has {size} bytes, {self.nbytes} expected" + (
            f"; it looks like {seen}" if seen else ""
        )


class ChunkEncoder:
    """Encodes the chunks of one output array, to the same bytes on every run.

    Safe to share between threads; blosc uses one thread a chunk.
    """

    def __init__(self, target: TargetArray) -> None:
        self.target = target
        self.chain = chain_of_target(target)
        self._apply = tuple(
            stages.apply_of(config)
            for config in self.chain.filters
            if config["id"] not in VLEN_FILTERS.values()
        )

    def encode(self, array: NDArray[Any]) -> bytes:
        """Encode an array of shape ``target.chunks``, of any byte order and memory layout."""
        laid_out = array.transpose(self.chain.order)
        if self.chain.vlen:
            buffer: Buffer = vlen.encode_vlen(laid_out.ravel().tolist())
        else:
            buffer = np.ascontiguousarray(laid_out, dtype=self.chain.dtype).reshape(-1)
        for apply in self._apply:
            buffer = apply(buffer)
        return buffer if isinstance(buffer, bytes) else buffer.tobytes()


def _arranged(elements: NDArray[Any], shape: Shape, chain: Chain) -> NDArray[Any]:
    """View elements in stored order as an array of `shape`."""
    stored = elements.reshape([shape[axis] for axis in chain.order])
    if chain.order == tuple(range(len(shape))):
        return stored
    inverse = [0] * len(shape)
    for position, axis in enumerate(chain.order):
        inverse[axis] = position
    return stored.transpose(inverse)
