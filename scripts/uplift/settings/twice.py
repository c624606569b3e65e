"""Keys that stand twice in a config file: YAML's readers take the last and drop the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from uplift.models.base import Place, place_of

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def keys_twice(path: Path) -> Iterator[str]:
    """Say which keys stand twice in a file.

    Parameters
    ----------
    path
        Of a config file; one that cannot be read, or is not YAML, is for others to name.

    Yields
    ------
    str
        One line for each.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return
    for line, place in _twice(root, ()):
        what = "stands there a second time; write all of it in one place"
        yield f"{path}, line {line}: {place_of(place)}: {what}"


def _twice(node: Any, place: Place) -> Iterator[tuple[int, Place]]:
    if not isinstance(node, yaml.MappingNode):
        return
    found: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in found and name != "<<":
            yield key.start_mark.line + 1, (*place, name)
        found.add(name)
        yield from _twice(value, (*place, name))
