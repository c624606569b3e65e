"""Proof that a migrated group still says everything that its source said.

It follows from the format alone, and uses no code of the migration. Two things are shown: with the
listed changes undone, from the last to the first, the output's attributes are the source's, value
for value; and each change is one that says the same in other words, or adds what the format
requires, under a key where it may (OME-Zarr 0.5). Anything else is a loss.

The same in other words: a text and the number that it states, a path and its plain form, a text
and the list of its letters, a word in capitals and in small letters, a list and its only item, an
axis and its name, an identity and the scale 1 (or nothing, next to a scale), NaN and its name, a
key and the format's with the same letters, which is added before the other is dropped. Dropped may
be what says nothing (``null``, an empty list or name), what is said elsewhere (a version, a
repetition), a level that is not there, and the unit of a scale that nobody gave.
"""

import copy
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from uplift.models.changes import Change
from uplift.models.json_text import cut
from uplift.ngff.json_paths import ABSENT, keys_of, text_of, value_at

_TRANSFORMS = r"multiscales\[\d+\](\.datasets\[\d+\])?\.coordinateTransformations"
_ADDED = re.compile(
    r"ome|(ome\.)?version|spatialdata_attrs|(plate|well|image-label)\.version"
    r"|plate\.(rows|columns)|plate\.wells\[\d+\]\.(rowIndex|columnIndex)"
    r"|multiscales\[\d+\]\.(axes|axes\[\d+\]\.type|datasets\[\d+\]\.coordinateTransformations)"
    r"|multiscales\[\d+\]\.datasets\[\d+\]\.coordinateTransformations\[\d+\]\.scale"
    rf"|{_TRANSFORMS}\[\d+\]\.type"
)
_VERSION = re.compile(
    r"version|(ome|spatialdata_attrs|multiscales\[\d+\]|plate|well|image-label|omero)\.version"
)
_LEVEL = re.compile(r"multiscales\[\d+\]\.datasets\[\d+\]")
_UNIT = re.compile(r"multiscales\[\d+\]\.axes\[\d+\]\.unit")
_INDEX = re.compile(r"plate\.wells\[\d+\]\.(rowIndex|columnIndex)")
_SCALE = re.compile(rf"{_TRANSFORMS}(\[\d+\]\.scale)?")
_LABEL = re.compile(r"labels\[\d+\]")
_ITEM = re.compile(r".*\[\d+\]")


def lost_attributes(
    source: Mapping[str, Any], output: Mapping[str, Any], changes: Sequence[Change] = ()
) -> list[str]:
    """List what of a node's attributes is missing, different or invented in the output.

    Parameters
    ----------
    source
        ``.zattrs``, or the ``attributes`` of ``zarr.json``.
    output
        ``attributes`` of the output's ``zarr.json``.
    changes
        Of the node, as ``migration.json`` lists them.

    Returns
    -------
    list[str]
        A line each; empty when nothing is lost.
    """
    value: Any = copy.deepcopy(dict(output))
    lost: list[str] = []
    for change in reversed(changes):
        problem = _undo(change, value)
        if problem is None and change.place is not None and not _is_edit(change, value):
            problem = f"{change.key}: {_shown(change.old)} became {_shown(change.new)}"
        if problem is not None:
            lost.append(problem)
    return lost + list(_differences(source, value, ""))


def _undo(change: Change, value: Any) -> str | None:
    """Undo one change in place; return why it cannot be undone, or None."""
    if change.action == "kept":
        return None
    if change.action == "moved":
        ome = value.get("ome")
        if not isinstance(ome, dict) or change.key not in ome or change.key in value:
            return f"{change.key}: missing in the output"
        value[change.key] = ome.pop(change.key)
        return None
    keys = keys_of(change.place or "", value)
    holder, last = value_at(value, keys[:-1]), keys[-1] if keys else ""
    if not isinstance(holder, (dict, list)):
        return f"{change.key}: missing in the output"
    if change.action == "dropped":
        if isinstance(holder, list):
            holder.insert(int(last), copy.deepcopy(change.old))
        elif last in holder:
            return f"{change.key}: in the output, though it was dropped"
        else:
            holder[str(last)] = copy.deepcopy(change.old)
        return None
    found = value_at(holder, (last,))
    if found is ABSENT or any(_differences(change.new, found, "")):
        return f"{change.key}: {_shown(found)} in the output, {_shown(change.new)} written"
    if change.action == "added":
        del holder[last]  # type: ignore[arg-type]
    else:
        holder[last] = copy.deepcopy(change.old)  # type: ignore[index]
    return None


def _is_edit(change: Change, value: Any) -> bool:
    """Whether a change is of those that lose nothing; `value` has it undone."""
    old, new, key = change.old, change.new, change.key
    if change.action == "added":
        return bool(_ADDED.fullmatch(key)) or _is_respelled(change, new, value)
    if change.action == "dropped":
        return _may_go(change, value)
    if _VERSION.fullmatch(key) or (_INDEX.fullmatch(key) and isinstance(new, int)):
        return True
    if old is None or old == []:
        return new == [] or bool(_ADDED.fullmatch(key))
    if _SCALE.fullmatch(key) and isinstance(old, list) and isinstance(new, list):
        plain = [one for one in old if one != {"type": "identity"}]
        return _keeps(plain, new) or _same_words(old, new)
    return _same_words(old, new)


def _may_go(change: Change, value: Any) -> bool:
    old, key = change.old, change.key
    if old is None or old == [] or _VERSION.fullmatch(key) or _UNIT.fullmatch(key):
        return True
    if _is_respelled(change, old, value) or (old == "" and _LABEL.fullmatch(key)):
        return True
    keys = keys_of(change.place or "", value)
    others = value_at(value, keys[:-1])
    if not _ITEM.fullmatch(key) or not isinstance(others, list):
        return False
    rest = [item for index, item in enumerate(others) if index != keys[-1]]
    return bool(_LEVEL.fullmatch(key)) or any(not any(_differences(old, o, "")) for o in rest)


def _is_respelled(change: Change, words: Any, value: Any) -> bool:
    """Whether the same words stand under another key with the same letters."""
    keys = keys_of(change.place or "", value)
    holder, own = value_at(value, keys[:-1]), keys[-1]
    return isinstance(holder, Mapping) and any(
        key != own and _letters(key) == _letters(str(own)) and not any(_differences(words, one, ""))
        for key, one in holder.items()
    )


def _letters(key: str) -> str:
    return re.sub(r"[\s_.-]", "", key.lower()).removesuffix("s")


def _keeps(old: list[Any], new: list[Any]) -> bool:
    """Whether a list of numbers or transformations only gained what was missing."""
    if len(new) == len(old) + 1 and isinstance(new[0], Mapping) and new[0].get("type") == "scale":
        return not any(_differences(old, new[1:], ""))
    return len(old) == len(new) and all(
        one in (None, "NaN") or _same_words(one, other) for one, other in zip(old, new, strict=True)
    )


def _same_words(old: Any, new: Any) -> bool:
    """Whether two values say the same."""
    if not any(_differences(old, new, "")):
        return True
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(map(_same_words, old, new))
    if isinstance(old, list) and not isinstance(new, list):
        return len(old) == 1 and not any(_differences(old[0], new, ""))
    if isinstance(old, str) and isinstance(new, list) and new == list(old):
        return True
    if isinstance(new, list):
        return len(new) == 1 and _same_words(old, new[0])
    if isinstance(old, (str, int)) and isinstance(new, Mapping):
        said = {key: item for key, item in new.items() if key != "type"}
        return list(said.values()) == [str(old)] and set(said) <= {"name", "path"}
    if isinstance(old, Mapping) and isinstance(new, str):
        return old.get("path") == new
    if isinstance(old, str) and isinstance(new, str):
        ends = _segments(old)[-len(_segments(new)) :] == _segments(new)
        return ends or old.lower() == new
    if isinstance(old, str) and isinstance(new, (int, float)):
        return _number(old) == new
    return isinstance(new, str) and type(old) is int and str(old) == new


def _segments(path: str) -> list[str]:
    return [part for part in path.replace("\\", "/").split("/") if part not in ("", ".")]


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _differences(old: Any, new: Any, where: str) -> Iterator[str]:
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            path = text_of((where, key)) if where else str(key)
            if key not in new:
                yield f"{path}: missing in the output"
            elif key not in old:
                yield f"{path}: in the output, not in the source"
            else:
                yield from _differences(old[key], new[key], path)
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(old)} entries in the source, {len(new)} in the output"
            return
        for number, (a, b) in enumerate(zip(old, new, strict=True)):
            yield from _differences(a, b, f"{where}[{number}]")
    elif not _same(old, new):
        yield f"{where}: {_shown(old)} in the source, {_shown(new)} in the output"


def _same(old: Any, new: Any) -> bool:
    """Whether two JSON scalars are the same: ``1``, ``1.0`` and ``true`` are three values."""
    if isinstance(old, float) and not math.isfinite(old):
        text = "NaN" if math.isnan(old) else "Infinity" if old > 0 else "-Infinity"
        return bool(new == text) or repr(old) == repr(new)
    return type(old) is type(new) and bool(old == new)


def _shown(value: Any) -> str:
    return cut("nothing" if value is ABSENT else repr(value), 60)
