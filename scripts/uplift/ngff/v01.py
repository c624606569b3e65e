"""OME-Zarr 0.1: five axes that nobody names, no scales, no indices of wells."""

from uplift.ngff.version import Version

VERSION = Version("0.1", says_scales=False)
