"""What each code of a finding means, in the words of ``docs/FINDINGS.md``."""

import functools
import re
from fnmatch import fnmatchcase
from pathlib import Path

FINDINGS = Path(__file__).resolve().parents[3] / "docs" / "FINDINGS.md"
_ROW = re.compile(r"\| *((?:`[^`]+`(?:, *)?)+) *\|(.*)\|")
_MARKS = re.compile(r"[`*]|\]\([^)]*\)|\[")


def explain(code: str) -> str | None:
    """Meaning of a code; that of its own row before that of a row with a ``*``."""
    meanings = _meanings()
    patterns = [pattern for pattern in meanings if fnmatchcase(code, pattern)]
    return meanings[max(patterns, key=len)] if patterns else None


@functools.cache
def _meanings() -> dict[str, str]:
    if not FINDINGS.is_file():
        return {}
    rows = (_ROW.match(line) for line in FINDINGS.read_text(encoding="utf-8").splitlines())
    return {
        code: _MARKS.sub("", row[2]).strip()
        for row in rows
        if row
        for code in re.findall(r"`([^`]+)`", row[1])
    }
