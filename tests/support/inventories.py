"""Inventories made of numbers alone, for the steps that never look at a dataset."""

import math

from uplift import grid
from uplift.models.arrays import SourceArray
from uplift.models.inventory import Inventory, InventoryArray, InventoryFile, InventoryGroup

BLOSC = {"id": "blosc", "cname": "lz4", "clevel": 5, "shuffle": 1, "blocksize": 0}


def entry_of(
    path,
    shape,
    chunks,
    *,
    dtype="<u2",
    axes=None,
    level=None,
    multiscale=None,
    stored=None,
    stored_bytes=None,
    compressor=BLOSC,
    filters=None,
    problem=None,
    order="C",
):
    """One array; `axes` is a string of one-letter names, `stored` the number of chunks."""
    cells = math.prod(grid.grid_shape(shape, chunks))
    stored = cells if stored is None else stored
    source = SourceArray(
        zarr_format=2,
        shape=shape,
        chunks=chunks,
        data_type=dtype,
        fill_value="" if dtype == "|O" else 0,
        order=order,
        separator="/",
        compressor=compressor,
        filters=filters,
    )
    return InventoryArray(
        path=path,
        role="array" if level is None else "level",
        multiscale=multiscale,
        level=level,
        axes=tuple(axes) if axes is not None else None,
        source=source,
        stored_chunks=stored,
        stored_bytes=100 * stored if stored_bytes is None else stored_bytes,
        listing_sha256="0" * 64,
        problem=problem,
    )


def inventory_of(*entries, groups=(), files=(), dropped=()):
    return Inventory(
        source="file:///in.zarr",
        zarr_format=2,
        ome_versions=("0.4",),
        groups=groups or (InventoryGroup(path="", roles=("image",)),),
        arrays=entries,
        files=tuple(InventoryFile(path=path, bytes=size) for path, size in files),
        dropped=tuple(InventoryFile(path=path, bytes=size) for path, size in dropped),
    )


def image(path="", *, size=4096, chunk=512, levels=3, z=8, axes="tczyx"):
    """Levels of one image: (1, 2, z, size, size) halved in y and x."""
    join = f"{path}/" if path else ""
    return [
        entry_of(
            f"{join}{level}",
            (1, 2, z, size >> level, size >> level),
            (1, 1, 1, chunk, chunk),
            axes=axes,
            level=level,
            multiscale=path,
        )
        for level in range(levels)
    ]
