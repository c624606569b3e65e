"""What the report says of a finished dataset, kept until something about that dataset changes.

Reading the work files of thousands of datasets again after each run would take longer than many
runs: a plate's are megabytes. What is kept is next to the report; it may be deleted at any time.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from uplift.report.details import Details
from uplift.report.page import Row
from uplift.report.stamps import program_state, stamp_of
from uplift.settings.columns import Sample
from uplift.work import ledger
from uplift.work.json_files import write_text

NAME = ".report.json"
_FINISHED = ("valid", "inherited")


@dataclass(frozen=True)
class Entry:
    """One dataset in the report: its rows in the table, the catalog and the costs, and details."""

    row: Row
    details: Details
    catalog: Mapping[str, Any]
    costs: Sequence[Mapping[str, Any]]


class Remembered:
    """Entries of the last report that are still true.

    Parameters
    ----------
    folder
        Of the report.
    about
        All else that entries depend on: settings, limits.

    Attributes
    ----------
    stamps
        Digest of the state of each dataset's files, by its name.
    """

    def __init__(self, folder: Path, about: object) -> None:
        words = json.dumps([program_state(), str(folder), str(folder.absolute()), about])
        self._file, self._about = folder / NAME, hashlib.sha256(words.encode()).hexdigest()
        self._old = self._read()
        self._new: dict[str, Any] = {}
        self.stamps: dict[str, str] = {}

    def stamp(self, folder: Path, sample: Sample | None) -> str:
        """Note the state of a dataset's files before they are read.

        What changes while they are read is read again the next time.
        """
        self.stamps[folder.name] = stamp_of(folder, sample)
        return self.stamps[folder.name]

    def entry(self, folder: Path, sample: Sample | None, make: Callable[[], Entry]) -> Entry:
        """The entry of a dataset, made when it is not the one that is remembered.

        Parameters
        ----------
        folder, sample
            Work files of the dataset, and its row of the sheet.
        make
            Reads the work files; calls `stamp` again after it has changed any.

        Returns
        -------
        Entry
            What the report and the catalog show of it.
        """
        stamp, old = self.stamp(folder, sample), self._old.get(folder.name)
        if old is not None and old["stamp"] == stamp:
            self._new[folder.name] = old
            return _restored(old)
        entry = make()
        if entry.row.state in _FINISHED:
            self._new[folder.name] = {
                "stamp": self.stamps[folder.name],
                "row": {**asdict(entry.row), "codes": sorted(entry.row.codes)},
                "details": entry.details,
                "catalog": entry.catalog,
                "costs": entry.costs,
            }
        return entry

    def write(self) -> None:
        """Keep the entries for the next report."""
        content = {"about": self._about, "entries": self._new}
        write_text(self._file, json.dumps(content, ensure_ascii=False, separators=(",", ":")))

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self._file.read_bytes())
        except (OSError, ValueError):  # none yet, or damaged: everything is read
            return {}
        same = isinstance(content, dict) and content.get("about") == self._about
        return content.get("entries", {}) if same else {}


def _restored(kept: dict[str, Any]) -> Entry:
    row = kept["row"]
    pairs = {key: tuple(row[key]) if row[key] else None for key in ("before", "after")}
    more = {"codes": frozenset(row["codes"]), "costs": ledger.Sum(**row["costs"])}
    return Entry(Row(**{**row, **pairs, **more}), kept["details"], kept["catalog"], kept["costs"])
