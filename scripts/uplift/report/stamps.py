"""Whether a report is up to date: it has a digest of all that it was made from.

Asked by every run that has nothing to do, in Snakemake's own process: imports what that has loaded.
"""

import hashlib
import html
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from uplift import __version__
from uplift.models.crate import CRATE_KEY
from uplift.models.json_text import sha256_of_json
from uplift.report.explanations import FINDINGS
from uplift.report.facts import datasets_of
from uplift.settings.columns import Sample
from uplift.storage import is_local, local_path

PAGE = "report.html"
TABLES = ("catalog.csv", "catalog.json", "costs.csv")
"""Written before the page."""
_HEAD_BYTES = 4096
"""Of the page, which have its digest and last line."""
_MADE = re.compile('<meta name="made-from" content="([0-9a-f]{64})">')
_LINE = re.compile('<meta name="last-line" content="([^"]*)">')


def made_from(folder: Path, options: object, stamps: Mapping[str, str]) -> str:
    """Digest of all that a report and its tables show.

    Parameters
    ----------
    folder
        Of the report, whose tables have been written.
    options
        Of the program, as JSON.
    stamps
        Of each dataset, in their order.

    Returns
    -------
    str
        SHA-256.
    """
    tables = [_state(folder / name) for name in TABLES]
    about = [str(folder), str(folder.absolute()), options, list(stamps.items()), tables]
    return sha256_of_json([program_state(), *about])


def line_of_current(folder: Path, options: object, samples: Iterable[Sample]) -> str | None:
    """Last line that the report of a folder ended with; None when it has to be made again.

    Parameters
    ----------
    options
        Of the program, as JSON.
    samples
        Rows of the sheet, as in ``samples.json``.

    Returns
    -------
    str | None
        What the last run said where the report is; None when the report has to be made again.
    """
    try:
        with (folder / PAGE).open("rb") as stream:
            head = stream.read(_HEAD_BYTES).decode(errors="replace")
    except OSError:  # none yet, or it was deleted
        return None
    made, line = _MADE.search(head), _LINE.search(head)
    if made is None or line is None:
        return None
    found = datasets_of(samples, folder)
    stamps = {work.name: stamp_of(work, sample) for work, sample in found}
    return html.unescape(line[1]) if made[1] == made_from(folder, options, stamps) else None


def stamp_of(folder: Path, sample: Sample | None) -> str:
    """Digest of names, sizes and times of a dataset's work files and logs, and of its output."""
    digest = hashlib.sha256()
    if sample is not None:
        digest.update(sample.model_dump_json().encode())
        if is_local(sample.output):
            for name in ("zarr.json", CRATE_KEY):
                digest.update(_state(Path(local_path(sample.output), name)).encode())
    for line in sorted(_states(folder)):
        digest.update(line.encode(errors="surrogateescape"))
    return digest.hexdigest()


def program_state() -> str:
    """Digest of what makes a report: its modules and templates, and the texts that it explains."""
    here = Path(__file__).parent
    files = [*here.iterdir(), *(here.parent / "terms").iterdir(), FINDINGS]
    states = map(_state, sorted(file for file in files if file.is_file()))
    return hashlib.sha256("".join([__version__, *states]).encode()).hexdigest()


def _states(folder: Path) -> Iterator[str]:
    # records and journals are many, and the report reads none of them
    for parent in (folder, folder / "logs", *folder.glob("logs/*/")):
        try:
            entries = list(os.scandir(parent))
        except OSError:
            continue
        for entry in entries:
            if entry.is_file():
                about = entry.stat()
                yield f"{entry.path}\0{about.st_size}\0{about.st_mtime_ns}\n"


def _state(path: Path) -> str:
    try:
        about = path.stat()
    except OSError:
        return f"{path}\0absent\n"
    return f"{path}\0{about.st_size}\0{about.st_mtime_ns}\n"
