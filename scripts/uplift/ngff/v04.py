"""OME-Zarr 0.4: axes are objects, levels have transformations, wells have indices."""

from uplift.ngff.version import Version

VERSION = Version("0.4")
