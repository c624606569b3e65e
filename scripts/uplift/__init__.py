"""ngff-uplift: OME-Zarr 0.1-0.4 to 0.5, losslessly and at the speed of copying."""

__version__ = "0.1.0"

TOOL_NAME = "ngff-uplift"
TOOL_URL: str | None = None
"""Address of this project, for crates; ``crate: {tool_url: …}`` of the config stands above it."""
FORMAT_VERSION = 1
"""Version of the files between the steps and of the bytes written; part of every fingerprint."""
