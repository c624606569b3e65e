"""What is at the source: groups, arrays, chunks, and every other file."""

from uplift.inspect_source.walk import inspect_source

__all__ = ["inspect_source"]
