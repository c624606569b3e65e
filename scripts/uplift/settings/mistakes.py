"""Mistakes of config and sheet: all of them at once, one line each, or one for many alike."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

from pydantic import ValidationError

from uplift.errors import InputError
from uplift.models import base

Settings = TypeVar("Settings", bound=base.Model)
_MOST_ALIKE = 3
"""Said one by one; of more the first, and how many there are."""
_LINE = re.compile(r", line (\d+)")


class Mistake(NamedTuple):
    """What is wrong in the sheet.

    Attributes
    ----------
    where
        File, line and dataset.
    kind
        Its text without the names and values of the row; empty where there is one of the kind.
    """

    where: str
    text: str
    kind: str = ""

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.where}: {self.text}"

    @property
    def line(self) -> str:
        """Number of its line; empty where it is not one of a file."""
        found = _LINE.search(self.where)
        return found[1] if found else ""


def lines_of(found: Iterable[Mistake]) -> Iterator[str]:
    """Say mistakes in a line each; those of a kind that many rows have, in the line of the first.

    Parameters
    ----------
    found
        In the order that they are to be said in.

    Yields
    ------
    str
        One line for people.
    """
    mistakes = list(found)
    alike: dict[str, list[Mistake]] = defaultdict(list)
    for one in mistakes:
        alike[one.kind or str(one)].append(one)
    for one in mistakes:
        others = alike[one.kind or str(one)]
        if len(others) <= _MOST_ALIKE:
            yield str(one)
        elif one is others[0]:
            yield f"{one}; {_and_more(others)}"


def _and_more(alike: list[Mistake]) -> str:
    lines = list(dict.fromkeys(one.line for one in alike))[1:]
    if not all(lines) or not lines:
        return f"and {len(alike) - 1} more like this"
    if len(lines) == 1:
        return f"the same in line {lines[0]}"
    named = lines if len(lines) <= _MOST_ALIKE else lines[:_MOST_ALIKE]
    left = len(lines) - len(named)
    return f"the same in lines {', '.join(named)}" + (f" and {left} more" if left else "")


class MistakesError(InputError):
    """Several mistakes at once, one line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def parse_all(
    model: type[Settings], data: Mapping[str, Any]
) -> tuple[Settings | None, list[tuple[base.Keys, str]]]:
    """The model that `data` are, or every mistake in them: its path, and what is wrong there."""
    try:
        return model.model_validate(data), []
    except ValidationError as error:
        return None, list(base.mistakes(error, model, data))
