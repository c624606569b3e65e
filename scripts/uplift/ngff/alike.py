"""Groups that differ in a name alone are checked once: a plate has thousands of such images.

What is said about a group may quote its name and its path. So what was found of one counts for all
that are like it only where it quotes neither; else each is checked by itself.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from uplift.models.once import content_of
from uplift.ngff.json_paths import Keys, value_at

NAME = "\N{REPLACEMENT CHARACTER} a name"
"""Represents a name: any text is right there."""
_PATHS: tuple[Keys, ...] = (("multiscales", 0, "name"), ("omero", "name"))
_ANY_PATH = "\N{REPLACEMENT CHARACTER} a path"
_NAMED_FOR_THEIR_ROLE = ("labels", "OME")
_FROM_THE_ROOT = re.compile(rb"u.{4}/", re.DOTALL)
"""A text that begins with a slash, after its kind and its length in four bytes."""


@dataclass(frozen=True)
class Alike:
    """What groups that are alike have in common.

    Attributes
    ----------
    content
        Of the attributes, :data:`NAME` in the place of each name.
    path
        Of the group where something depends on it, else one that represents any path.
    names
        How many names there are.
    attributes
        Of the first of them; not to be changed.
    """

    content: bytes
    path: str
    names: int
    attributes: Mapping[str, Any] = field(compare=False, repr=False)


def alike(attributes: Mapping[str, Any], path: str = "") -> tuple[Alike, list[str]]:
    """Take the names out of a group's attributes.

    Parameters
    ----------
    attributes
        Of the group, of any version.
    path
        Of the group, from the root of the dataset.

    Returns
    -------
    Alike, list[str]
        The rest, and the names in the order of their paths.
    """
    plain, names = attributes, list[str]()
    for keys in _named(attributes):
        names.append(value_at(attributes, keys))
        plain = _with(plain, keys, NAME)
    content = content_of(plain)
    # paths inside may be written from the root of the dataset
    seen = (
        not path
        or _FROM_THE_ROOT.search(content) is not None
        or path.rpartition("/")[2] in _NAMED_FOR_THEIR_ROLE
    )
    return Alike(content, path if seen else _ANY_PATH, len(names), plain), names


def with_names(attributes: dict[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Attributes of a group, made of those of all that are like it; what has no name is shared."""
    for keys, name in zip(_named(attributes, NAME), names, strict=True):
        attributes = _with(attributes, keys, name)
    return attributes


def holds_for_all(same: Alike, made: dict[str, Any], *others: Any) -> bool:
    """Whether what was made of :attr:`Alike.attributes` is right for each group that is like it.

    Parameters
    ----------
    same
        The groups.
    made
        Attributes: each name is still at one of its paths, and nowhere else.
    others
        Whatever else was made, which must quote neither name nor path.
    """
    kept = len(_named(made, NAME)) == same.names == repr(made).count(NAME)
    return kept and not any(word in repr(others) for word in (NAME, _ANY_PATH))


def _named(attributes: Mapping[str, Any], name: str | None = None) -> list[Keys]:
    """Paths of names: of any, or of those that are `name`."""
    found: list[Keys] = []
    for keys in _PATHS:
        for path in (keys, ("ome", *keys)):
            here = value_at(attributes, path)
            if not (isinstance(here, str) and here) or name not in (None, here):
                continue
            # of several images, some rules see which are the same
            if keys[0] != "multiscales" or len(value_at(attributes, path[:-2])) == 1:
                found.append(path)
                break
    return found


def _with(value: Any, keys: Keys, new: Any) -> Any:
    """JSON value with another one at a path; the rest is shared with it."""
    if not keys:
        return new
    changed = list(value) if isinstance(value, list) else dict(value)
    changed[keys[0]] = _with(value[keys[0]], keys[1:], new)  # type: ignore[index]
    return changed
