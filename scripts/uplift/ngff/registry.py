"""What the format asks, each rule once, with what happens when a source breaks it.

A :class:`Repair` has one reading and is applied before anything is checked. A :class:`Rule` that is
still broken then either stops the dataset (``refuse``: pixels would suffer, or a path is ambiguous)
or is kept word for word with a warning that says which readers fail (``keep``). Inspect, migrate,
validate and the tables of docs/METADATA.md go by these declarations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.ngff.draft import Draft, Edit
from uplift.ngff.places import Keys, Places, text_of, value_at

Outcome = Literal["refuse", "keep"]


@dataclass(frozen=True)
class Facts:
    """What is known about a group, its attributes aside.

    Attributes
    ----------
    path
        Of the group, from the root of the dataset.
    version
        OME-Zarr version of its words, by which they are read; None where it has none.
    shapes
        Shape of each level that is an array, by its path relative to the group; None before the
        arrays are known.
    dimensions
        Names of the dimensions that these arrays give themselves.
    occupied
        Paths of levels at which something lies that is not an array.
    """

    path: str = ""
    version: str | None = None
    shapes: Mapping[str, Shape] | None = None
    dimensions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    occupied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spot:
    """One place in the OME-Zarr metadata of a group, and the whole of it."""

    words: Any
    keys: Keys
    facts: Facts = Facts()

    @property
    def value(self) -> Any:
        """What is there, or ABSENT."""
        return value_at(self.words, self.keys)

    @property
    def name(self) -> str:
        """The place, for messages."""
        return text_of(self.keys)

    def holder(self, up: int = 1) -> Any:
        """The object or list around it, `up` steps above."""
        return value_at(self.words, self.keys[:-up])

    def becomes(self, new: Any, how: str = "") -> Edit:
        """Edit of this place."""
        return Edit(self.keys, new, how)


Check = Callable[[Spot], Iterable[str]]
Apply = Callable[[Spot], Iterable[Edit]]


@dataclass(frozen=True)
class Rule:
    """One thing that the format asks.

    Attributes
    ----------
    code
        Of the finding; stable.
    at
        Pattern of the places that it is about (:meth:`uplift.ngff.places.Places.matches`).
    asks
        What the format asks, in a few words.
    outcome, breaks
        What becomes of a source that breaks it, and what that breaks for readers.
    check
        Yields a message for each breach at a place; total on any JSON.
    must
        Whether it is a MUST; what breaks a SHOULD is said, and not a defect.
    """

    code: str
    at: str
    asks: str
    outcome: Outcome
    breaks: str
    check: Check
    must: bool = True


@dataclass(frozen=True)
class Repair:
    """One kind of fault that has one reading.

    Attributes
    ----------
    code
        Names the kind in ``migration.json``; stable.
    at
        Patterns of the places that it is about.
    wrong, right
        Old and new words, for the table in the docs.
    apply
        Yields the edits of a place; none where there is nothing to repair.
    right_in
        Versions of the source in which the old words were right: there it is part of the upgrade.
    """

    code: str
    at: tuple[str, ...]
    wrong: str
    right: str
    apply: Apply
    right_in: tuple[str, ...] = ()


def rule(
    code: str, at: str, *, asks: str, keep: str = "", refuse: str = "", must: bool = True
) -> Callable[[Check], Rule]:
    """Declare a rule by its check; `keep` or `refuse` says what a breach costs.

    Parameters
    ----------
    code, at, asks, must
        As in :class:`Rule`.
    keep, refuse
        What a breach costs where the source is kept, or refused: one of the two.

    Returns
    -------
    Callable[[Check], Rule]
        Decorator that makes a rule of its check.
    """

    def declared(check: Check) -> Rule:
        return Rule(code, at, asks, "keep" if keep else "refuse", keep or refuse, check, must)

    return declared


def repair(
    code: str, *at: str, wrong: str, right: str, right_in: tuple[str, ...] = ()
) -> Callable[[Apply], Repair]:
    """Declare a repair by the function that makes its edits.

    Parameters
    ----------
    code, at, wrong, right, right_in
        As in :class:`Repair`.

    Returns
    -------
    Callable[[Apply], Repair]
        Decorator that makes a repair of the function.
    """

    def declared(apply: Apply) -> Repair:
        return Repair(code, at, wrong, right, apply, right_in)

    return declared


def apply_repairs(
    draft: Draft, repairs: Iterable[Repair], facts: Facts
) -> Iterator[tuple[Repair, Edit, Any]]:
    """Apply repairs in their order; yields each edit with the words that it replaced.

    Parameters
    ----------
    draft
        Attributes to edit, in place.
    repairs
        In the order in which they are to be made.
    facts
        What is known about the group.

    Yields
    ------
    tuple[Repair, Edit, Any]
        Each edit, with its repair and what was there before.
    """
    words, places = draft.words, Places()
    for one in repairs:
        for pattern in one.at:
            for keys in places.matches(words, pattern):
                for edit in one.apply(Spot(words, keys, facts)):
                    old = value_at(words, edit.keys)
                    draft.apply(edit, repair=None if facts.version in one.right_in else one.code)
                    words, places = draft.words, Places()
                    yield one, edit, old


def check_rules(words: Any, rules: Iterable[Rule], facts: Facts) -> Iterator[tuple[Rule, str]]:
    """Messages of every rule that the OME-Zarr metadata of one group break.

    Parameters
    ----------
    words
        The OME-Zarr metadata.
    rules
        To check.
    facts
        What is known about the group.

    Yields
    ------
    tuple[Rule, str]
        Each broken rule with a message.
    """
    places = Places()
    for one in rules:
        for keys in places.matches(words, one.at):
            for message in one.check(Spot(words, keys, facts)):
                yield one, message


def finding_of(broken: Rule, message: str, path: str) -> Finding:
    """Finding about a broken rule.

    Parameters
    ----------
    broken
        The rule.
    message
        How it is broken.
    path
        Of the group.

    Returns
    -------
    Finding
        With the code of the rule, and the severity that its outcome has.
    """
    severity: Literal["error", "warning"] = "error" if broken.outcome == "refuse" else "warning"
    return Finding(code=broken.code, severity=severity, path=path, message=message)
