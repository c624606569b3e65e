"""What is at the source: groups, arrays, chunks, and every other file."""

from uplift.inspection.walk import inspect_source

__all__ = ["inspect_source"]
