"""A group's attributes while they are edited: each edit is listed so that it can be undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from uplift.models.changes import Change
from uplift.models.json_text import ATOMS, without_bare_nan
from uplift.ngff.json_paths import ABSENT, Keys, pointer_of, text_of, value_at


@dataclass(frozen=True)
class Edit:
    """One path in the metadata, and the value it holds from now on.

    Attributes
    ----------
    new
        :data:`ABSENT`: the key, or the item of a list, goes.
    how
        Why this is what the source means; empty where the words say it.
    """

    keys: Keys
    new: Any
    how: str = ""


@dataclass
class Draft:
    """Attributes that are being edited; `ome` leads to the OME-Zarr metadata in them.

    Attributes
    ----------
    changes
        Everything that was done, in its order.
    """

    attributes: dict[str, Any]
    ome: Keys = ("ome",)
    changes: list[Change] = field(default_factory=list)

    @classmethod
    def of(cls, attributes: Mapping[str, Any], ome: Keys) -> Draft:
        """Begin with a copy of attributes."""
        return cls({key: copied(value) for key, value in attributes.items()}, ome)

    @property
    def words(self) -> Any:
        """The OME-Zarr metadata."""
        return value_at(self.attributes, self.ome)

    def move(self, key: str) -> None:
        """Put a key of the attributes into the OME-Zarr metadata."""
        self.words[key] = self.attributes.pop(key)
        self.changes.append(Change(key=key, action="moved"))

    def keep(self, key: str) -> None:
        """Note that a key stays."""
        self.changes.append(Change(key=key, action="kept"))

    def apply(self, edit: Edit, *, repair: str | None = None, inside: bool = True) -> Change:
        """Make an edit and list it.

        Parameters
        ----------
        repair
            Code of the repair that makes it; None where it is part of the upgrade.
        inside
            Whether its keys start at the OME-Zarr metadata; otherwise at the attributes.

        Returns
        -------
        Change
            As ``migration.json`` lists it.
        """
        keys = (*self.ome, *edit.keys) if inside else edit.keys
        holder, last = value_at(self.attributes, keys[:-1]), keys[-1]
        old = value_at(holder, (last,))
        if edit.new is ABSENT:
            del holder[last]
        else:
            holder[last] = edit.new
        words: dict[str, Any] = {} if old is ABSENT else {"old": without_bare_nan(old)}
        if edit.new is not ABSENT:
            words["new"] = without_bare_nan(edit.new)
        change = Change(
            key=text_of(edit.keys),
            action="dropped" if edit.new is ABSENT else "added" if old is ABSENT else "changed",
            detail=edit.how or None,
            place=pointer_of(keys),
            repair=repair,
            **words,
        )
        self.changes.append(change)
        return change


def copied(value: Any) -> Any:
    """Copy a JSON value; copy.deepcopy takes five times as long, for each of a plate's groups."""
    if type(value) in ATOMS:
        return value
    if isinstance(value, dict):
        return {key: copied(item) for key, item in value.items()}
    return [copied(item) for item in value] if isinstance(value, list) else value
