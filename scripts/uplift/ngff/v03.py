"""OME-Zarr 0.3: axes are a list of names."""

from uplift.ngff.version import Version

VERSION = Version("0.3", says_scales=False)
