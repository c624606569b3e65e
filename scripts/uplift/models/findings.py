"""Findings: what a check says about one path, and the collection that checks add them to."""

import re
import threading
from collections.abc import Iterable
from typing import Literal

from uplift.models.base import Model


class Finding(Model):
    """One observation with a stable `code` such as ``pixels.differ``.

    ``error`` makes the verdict invalid; ``warning`` and ``info`` do not.
    """

    code: str
    severity: Literal["error", "warning", "info"]
    path: str
    message: str


def warning(code: str, path: str, message: str) -> Finding:
    """Something a user should know.

    Parameters
    ----------
    code
        Of ``docs/FINDINGS.md``.
    path
        From the root of the dataset.
    message
        One line for people.

    Returns
    -------
    Finding
        Of severity ``warning``.
    """
    return Finding(code=code, severity="warning", path=path, message=message)


def first_error(findings: Iterable[Finding]) -> Finding | None:
    """Return the first error, which a message quotes."""
    return next((finding for finding in findings if finding.severity == "error"), None)


SHOWN = 20
"""Findings of one code and path that are listed."""
_MORE = re.compile("and ([0-9]+) more like the ones before")


class Findings:
    """Findings, added one by one (thread-safe)."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._found: dict[tuple[str, str], list[Finding]] = {}

    def error(self, code: str, path: str, message: str) -> None:
        """Note something that makes the output invalid.

        Parameters
        ----------
        code
            Of ``docs/FINDINGS.md``.
        path
            From the root of the dataset.
        message
            One line for people.
        """
        self.add(Finding(code=code, severity="error", path=path, message=message))

    def warning(self, code: str, path: str, message: str) -> None:
        """Note something a user should know.

        Parameters
        ----------
        code
            Of ``docs/FINDINGS.md``.
        path
            From the root of the dataset.
        message
            One line for people.
        """
        self.add(warning(code, path, message))

    def info(self, code: str, path: str, message: str) -> None:
        """Note something that is correct but worth a line.

        Parameters
        ----------
        code
            Of ``docs/FINDINGS.md``.
        path
            From the root of the dataset.
        message
            One line for people.
        """
        self.add(Finding(code=code, severity="info", path=path, message=message))

    def add(self, finding: Finding) -> None:
        """Note a finding made elsewhere."""
        with self._lock:
            self._found.setdefault((finding.code, finding.path), []).append(finding)

    def extend(self, findings: Iterable[Finding]) -> None:
        """Note findings made elsewhere."""
        for finding in findings:
            self.add(finding)

    def all(self) -> list[Finding]:
        """All findings, to add to other :class:`Findings`."""
        return [finding for same in self._found.values() for finding in same]

    def paths_with_errors(self) -> set[str]:
        """Paths at which something is wrong."""
        return {one.path for one in self.listed() if one.severity == "error"}

    def listed(self) -> tuple[Finding, ...]:
        """Findings in the order of :func:`in_order`, the same for equal outputs."""
        result: list[Finding] = []
        for same in self._found.values():
            # of parts of an array that were listed before, these are sums
            sums = [_MORE.fullmatch(finding.message) for finding in same]
            unique = {finding for finding, sum_ in zip(same, sums, strict=True) if sum_ is None}
            result += sorted(unique, key=_key)[:SHOWN]
            more = sum(int(found[1]) for found in sums if found) + max(0, len(unique) - SHOWN)
            if more:
                text = f"and {more} more like the ones before"
                result.append(same[-1].model_copy(update={"message": text}))
        return in_order(result)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort: errors, warnings, infos; in each by path, code and message."""
    return tuple(sorted(findings, key=_key))


def _key(finding: Finding) -> tuple[int, str, str, bool, str]:
    rank = ("error", "warning", "info").index(finding.severity)
    more = finding.message.startswith("and ")
    return rank, finding.path, finding.code, more, finding.message
