"""What the rules have in common: a collector of findings and tests of JSON types."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from uplift.models.findings import Finding


class Check:
    """Collects what the rules find in one group's metadata.

    ``error``: a MUST of OME-Zarr 0.5. ``dialect``: a MUST that established writers break and
    readers bear; a warning, since the conversion neither made it nor may mend it. ``should``: a
    SHOULD, collected only on request.
    """

    def __init__(self, path: str, *, strict: bool) -> None:
        self._path = path
        self._strict = strict
        self.findings: list[Finding] = []

    def error(self, code: str, message: str) -> None:
        """Note a broken MUST."""
        self._add(code, "error", message)

    def dialect(self, topic: str, message: str) -> None:
        """Note a broken MUST of a known dialect, as ``dialect.<topic>``."""
        self._add(f"dialect.{topic}", "warning", message)

    def should(self, code: str, message: str) -> None:
        """Note a broken SHOULD."""
        if self._strict:
            self._add(code, "warning", message)

    def objects(self, value: Any, code: str, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield (place, object) for the items of a list that has to hold objects, at least one."""
        if not isinstance(value, list) or not value:
            self.error(code, f"{where} is {shown(value)}, expected a list with at least one object")
            return
        if len({json.dumps(item, sort_keys=True) for item in value}) != len(value):
            self.error(code, f"{where} lists the same object twice")
        for number, item in enumerate(value):
            if isinstance(item, dict):
                yield f"{where}[{number}]", item
            else:
                self.error(code, f"{where}[{number}] is {shown(item)}, expected an object")

    def _add(self, code: str, severity: Literal["error", "warning"], message: str) -> None:
        finding = Finding(code=code, severity=severity, path=self._path, message=message)
        self.findings.append(finding)


def is_number(value: Any) -> bool:
    """Whether a JSON value is a number."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def is_integer(value: Any) -> bool:
    """Whether a JSON value is an integer; ``1.0`` is one."""
    return is_number(value) and (isinstance(value, int) or float(value).is_integer())


def numbers_of(value: Any) -> list[float] | None:
    """Return a list of numbers as it is, anything else as None."""
    if isinstance(value, list) and all(is_number(item) for item in value):
        return value
    return None


def shown(value: Any) -> str:
    """Spell a value for a message."""
    if value is None:
        return "missing"
    text = repr(dict(value) if isinstance(value, Mapping) else value)
    return text if len(text) <= 60 else f"{text[:57]}..."
