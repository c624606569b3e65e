"""Duplicate keys in a config file: YAML readers use the last one and drop the others."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml  # type: ignore[import-untyped]

from uplift.models.base import Keys, keys_text

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def duplicate_keys(path: Path) -> Iterator[str]:
    """Find duplicate keys in a config file.

    Parameters
    ----------
    path
        The file. One that cannot be read, or is not YAML, is reported elsewhere.

    Yields
    ------
    str
        A message for each.
    """
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=_LOADER)
    except (OSError, ValueError, yaml.YAMLError):
        return
    for line, keys in _duplicates(root, ()):
        what = "the file has this key twice; merge the two under one key"
        yield f"{path}, line {line}: {keys_text(keys)}: {what}"


def _duplicates(node: Any, above: Keys) -> Iterator[tuple[int, Keys]]:
    if not isinstance(node, yaml.MappingNode):
        return
    found: set[str] = set()
    for key, value in node.value:
        name = str(key.value)
        if name in found and name != "<<":
            yield key.start_mark.line + 1, (*above, name)
        found.add(name)
        yield from _duplicates(value, (*above, name))
