"""What a validator says about a group, as a code and a line of text."""

from collections.abc import Iterable, Iterator
from typing import Any

from pydantic import ValidationError

Complaint = tuple[str, str]
"""Code and message."""
_LONGEST = 600
"""Letters of a message: some hold a whole document."""


def complaints_of(details: Iterable[Any]) -> Iterator[Complaint]:
    """Complaints from pydantic's details, or such as are like them."""
    for detail in _flat(details, ()):
        path = ".".join(str(part) for part in detail["loc"])
        yield str(detail["type"]), (f"{path}: " if path else "") + line_of(str(detail["msg"]))


def line_of(text: str) -> str:
    """One line, cut where it is long."""
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3]}..."


def _flat(details: Iterable[Any], path: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """Errors with those that stand inside them, each with its full path."""
    for detail in details:
        here = (*path, *detail.get("loc", ()))
        inner = (detail.get("ctx") or {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _flat(inner.errors(include_url=False), here)
            continue
        text = str(detail["msg"])
        if inner is not None and str(inner) not in text:
            text = f"{text}: {inner}"
        yield {"type": detail["type"], "loc": here, "msg": text}
