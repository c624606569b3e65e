"""What the format asks, each rule once, with what happens when a source breaks it.

A :class:`Repair` has one reading and is applied before anything is checked. A :class:`Rule` that is
still broken then either stops the dataset (``refuse``: pixels would suffer, or a path is ambiguous)
or is kept word for word with a warning that says which readers fail (``keep``). Inspect, migrate,
validate and the tables of docs/METADATA.md go by these declarations.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from uplift.grid import Shape
from uplift.models.findings import Finding
from uplift.ngff.draft import Draft, Edit
from uplift.ngff.json_paths import Keys, PathFinder, text_of, value_at

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
        Paths of levels at which there is something other than an array.
    """

    path: str = ""
    version: str | None = None
    shapes: Mapping[str, Shape] | None = None
    dimensions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    occupied: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Spot:
    """One path in the OME-Zarr metadata of a group, and the whole of these."""

    words: Any
    keys: Keys
    facts: Facts = Facts()

    @property
    def value(self) -> Any:
        """What is there, or ABSENT."""
        return value_at(self.words, self.keys)

    @property
    def name(self) -> str:
        """The path, for messages."""
        return text_of(self.keys)

    def holder(self, up: int = 1) -> Any:
        """The object or list around it, `up` steps above."""
        return value_at(self.words, self.keys[:-up])

    def becomes(self, new: Any, how: str = "") -> Edit:
        """Edit at this path."""
        return Edit(self.keys, new, how)


Check = Callable[[Spot], Iterable[str]]
Apply = Callable[[Spot], Iterable[Edit]]
C = TypeVar("C", bound=Callable[..., Iterable[Any]])


@dataclass(frozen=True)
class Rule(Generic[C]):
    """One thing that the format asks.

    Attributes
    ----------
    code
        Of the finding; stable.
    at
        Patterns of the paths that it is about
        (:meth:`uplift.ngff.json_paths.PathFinder.matches`); none for one that takes more than one
        group to check.
    asks
        What the format asks, in a few words.
    outcome, breaks
        What becomes of a source that breaks it, and what that breaks for readers.
    check
        Yields a message for each breach; total on any JSON.
    must
        Whether it is a MUST; what breaks a SHOULD is said, and not a defect.
    """

    code: str
    at: tuple[str, ...]
    asks: str
    outcome: Outcome
    breaks: str
    check: C
    must: bool = True

    def finding(self, path: str, message: str) -> Finding:
        """Finding about the node at a path that breaks the rule; its outcome decides how bad."""
        severity: Literal["error", "warning"] = "error" if self.outcome == "refuse" else "warning"
        return Finding(code=self.code, severity=severity, path=path, message=message)


class Rules(list[Rule[C]]):
    """Rules in the order in which they are declared."""

    def rule(
        self, code: str, *at: str, asks: str, keep: str = "", refuse: str = "", must: bool = True
    ) -> Callable[[C], C]:
        """Declare a rule by its check; `keep` or `refuse` says what a breach costs.

        Parameters
        ----------
        code, at, asks, must
            As in :class:`Rule`.
        keep, refuse
            What a breach costs where the source is kept, or refused: one of the two.

        Returns
        -------
        Callable[[C], C]
            Decorator that adds the rule; the check stays a function.
        """

        def declared(check: C) -> C:
            outcome: Outcome = "keep" if keep else "refuse"
            self.append(Rule(code, at, asks, outcome, keep or refuse, check, must))
            return check

        return declared


@dataclass(frozen=True)
class Repair:
    """One kind of fault that has one reading.

    Attributes
    ----------
    code
        Names the kind in ``migration.json``; stable.
    at
        Patterns of the paths that it is about.
    wrong, right
        Old and new words, for the table in the docs.
    apply
        Yields the edits at a path; none where there is nothing to repair.
    right_in
        Versions of the source in which the old words were right: there it is part of the upgrade.
    """

    code: str
    at: tuple[str, ...]
    wrong: str
    right: str
    apply: Apply
    right_in: tuple[str, ...] = ()


class Repairs(list[Repair]):
    """Repairs in the order in which they are declared, and made."""

    def repair(
        self, code: str, *at: str, wrong: str, right: str, right_in: tuple[str, ...] = ()
    ) -> Callable[[Apply], Apply]:
        """Declare a repair by the function that makes its edits.

        Parameters
        ----------
        code, at, wrong, right, right_in
            As in :class:`Repair`.

        Returns
        -------
        Callable[[Apply], Apply]
            Decorator that adds the repair.
        """

        def declared(apply: Apply) -> Apply:
            self.append(Repair(code, at, wrong, right, apply, right_in))
            return apply

        return declared


def apply_repairs(
    draft: Draft, repairs: Sequence[Repair], facts: Facts, rounds: int = 1
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
    rounds
        How often, as long as something is edited: one repair may uncover what another is for.

    Yields
    ------
    tuple[Repair, Edit, Any]
        Each edit, with its repair and what was there before.
    """
    for _ in range(rounds):
        before = len(draft.changes)
        yield from _apply_once(draft, repairs, facts)
        if len(draft.changes) == before:
            return


def _apply_once(
    draft: Draft, repairs: Sequence[Repair], facts: Facts
) -> Iterator[tuple[Repair, Edit, Any]]:
    words, finder = draft.words, PathFinder()
    for one in repairs:
        for pattern in one.at:
            for keys in finder.matches(words, pattern):
                for edit in one.apply(Spot(words, keys, facts)):
                    old = value_at(words, edit.keys)
                    draft.apply(edit, repair=None if facts.version in one.right_in else one.code)
                    words, finder = draft.words, PathFinder()
                    yield one, edit, old


def check_rules(
    words: Any, rules: Iterable[Rule[Check]], facts: Facts
) -> Iterator[tuple[Rule[Check], str]]:
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
    finder = PathFinder()
    for one in rules:
        for pattern in one.at:
            for keys in finder.matches(words, pattern):
                for message in one.check(Spot(words, keys, facts)):
                    yield one, message
