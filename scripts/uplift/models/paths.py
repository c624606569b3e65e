"""Paths of nodes, and keys of objects: texts with slashes, from the root of a dataset (``""``)."""

from collections.abc import Iterator


def join(prefix: str, name: str) -> str:
    """Join segments of a path; either may be empty."""
    return f"{prefix}/{name}" if prefix and name else prefix or name


def parents_of(path: str) -> Iterator[str]:
    """Paths above a path, the nearest first, the root last; none above the root."""
    while path:
        path = path.rpartition("/")[0]
        yield path
