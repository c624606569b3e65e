"""Arrays as the source describes them and as the output will: both sides of a conversion."""

import functools
from typing import Any, ClassVar, Literal

from uplift.grid import grid_shape
from uplift.models.base import Model

JsonValue = Any
"""Decoded JSON: any value in a metadata document."""

Shape = tuple[int, ...]


class SourceArray(Model):
    """Facts of one source array, in the words of its own metadata document.

    Zarr v2 fills `order`, `separator`, `compressor`, `filters`; Zarr v3 fills `codecs`,
    `shards`, `key_encoding`, `index_location`, `index_codecs`. `chunks` is always the unit
    that is encoded by itself (the inner chunk of a sharded v3 array).

    Attributes
    ----------
    shape, chunks
        Elements along each axis, length ndim.
    data_type
        v2: the ``dtype`` string or list of fields; v3: the ``data_type`` name or object.
    fill_value
        As written in the document (v2 may be ``None``).
    """

    is_shared: ClassVar[bool] = True
    zarr_format: Literal[2, 3]
    shape: Shape
    chunks: Shape
    data_type: JsonValue
    fill_value: JsonValue = None
    order: Literal["C", "F"] | None = None
    separator: Literal[".", "/"] | None = None
    compressor: dict[str, JsonValue] | None = None
    filters: tuple[dict[str, JsonValue], ...] | None = None
    codecs: tuple[dict[str, JsonValue], ...] | None = None
    shards: Shape | None = None
    key_encoding: Literal["default", "v2"] | None = None
    index_location: Literal["start", "end"] | None = None
    index_codecs: tuple[dict[str, JsonValue], ...] | None = None


class TargetArray(Model):
    """One Zarr v3 array of the output.

    Attributes
    ----------
    shape, chunks
        Elements along each axis, length ndim; `chunks` is the inner chunk when sharded.
    shards
        Elements along each axis of one shard, a multiple of `chunks`; ``None``: one object a chunk.
    data_type, fill_value
        As in ``zarr.json``.
    codecs
        Codec pipeline of one (inner) chunk, as in ``zarr.json``, all in v3 JSON.
    """

    is_shared: ClassVar[bool] = True
    shape: Shape
    chunks: Shape
    shards: Shape | None = None
    data_type: JsonValue
    fill_value: JsonValue
    codecs: tuple[dict[str, JsonValue], ...]

    @property
    def object_shape(self) -> Shape:
        """Elements along each axis of one stored object (a shard, or a chunk when unsharded)."""
        return self.shards if self.shards is not None else self.chunks

    @functools.cached_property
    def object_grid(self) -> Shape:
        """Stored objects along each axis."""
        return grid_shape(self.shape, self.object_shape)


Method = Literal["repack", "rewrap", "recode"]
"""repack: chunk bytes are kept. rewrap: zlib streams become gzip streams, the deflate body kept.
recode: chunks are decoded and encoded again."""
