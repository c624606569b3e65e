"""OME-Zarr 0.2: as 0.1; chunk keys with slashes."""

from uplift.ngff.version import Version

VERSION = Version("0.2", says_scales=False)
