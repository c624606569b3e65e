"""The RO-Crate at the output: the one that the crate step wrote and checked."""

import json

from uplift.models.crate import CRATE_KEY, CrateRecord, crate_finding
from uplift.models.findings import Finding
from uplift.models.json_text import sha256_of


def checked_crate(record: CrateRecord, data: bytes | None) -> tuple[Finding, ...]:
    """Findings about the crate that is at the output now.

    Those of `record`, if they are about these bytes.

    Parameters
    ----------
    record
        What the crate step wrote, and what it found.
    data
        The output's ``ro-crate-metadata.json``; None when there is none.
    """
    if (None if data is None else sha256_of(data)) == record.sha256:
        return record.findings
    if data is None:
        return (_error("crate.differs", "is absent: run the crate step again"),)
    if record.sha256 is None:
        return (_error("crate.differs", "was not written by us"),)
    changed = _error("crate.differs", "changed after it was written")
    try:
        json.loads(data)
    except ValueError as error:
        return (_error("crate.invalid", f"is not JSON: {error}"), changed)
    return (changed,)


def _error(code: str, text: str) -> Finding:
    return crate_finding(code, "error", f"{CRATE_KEY} {text}")
