"""Keys at an output that have a meaning of their own."""

ROOT_KEY = "zarr.json"
"""Readers see a dataset as soon as this exists: it is written last and removed first."""
LOCK_KEY = ".ngff-uplift.lock"
MANIFEST_KEY = "manifest.sha256"
