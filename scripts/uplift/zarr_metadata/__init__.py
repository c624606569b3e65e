"""Zarr v2 and v3 metadata of arrays. No I/O."""
