"""Whether the outputs of all datasets together fit on their file systems."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from uplift import grid
from uplift.grid import Shape
from uplift.outputs.space import FileSystem, file_system_of, lacking, space_taken
from uplift.planning.space import Space, space_of
from uplift.settings.columns import Sample
from uplift.work.folder import WorkFolder
from uplift.workflow.start import is_claimed_elsewhere


@dataclass
class Shared:
    """A file system, and the datasets whose outputs are still to be written there."""

    file_system: FileSystem
    needed: Space = field(default_factory=lambda: Space(0))
    samples: list[Sample] = field(default_factory=list)

    def little(self) -> str | None:
        """Say that there is too little space; None where there is enough.

        Existing objects of the outputs, which are replaced one by one, are counted only where there
        would be too little space otherwise.
        """
        needed = self.needed
        if not needed.fits(self.file_system.free):
            for sample in self.samples:
                needed = needed.less(space_taken(sample.output))
        if needed.fits(self.file_system.free):
            return None
        names = ", ".join(sample.dataset for sample in self.samples[:3])
        more = f" and {len(self.samples) - 3} more" if len(self.samples) > 3 else ""
        return (
            f"{self.file_system.folder}: too little space for {names}{more}: "
            f"{lacking(needed, self.file_system.free)}; free some, choose other outputs, or "
            "convert a part of the sheet (on_little_space: warn tries all the same)"
        )


def needed_by(work: WorkFolder, sample: Sample, *, archive: bool = False) -> Space | None:
    """Predict the space of what is still to be written of a dataset's output.

    Parameters
    ----------
    work, sample
        The dataset.
    archive
        Whether it is packed into one file as well.

    Returns
    -------
    Space or None
        None without a plan.
    """
    try:
        data = json.loads(work.plan.read_bytes())
        after = data["estimate"]["after"]
        found = space_of(
            int(after["objects"]), int(after["bytes"]), _grids(data["arrays"]), archive=archive
        )
    except (OSError, ValueError, TypeError, KeyError):  # as people edit; plan says what is wrong
        return None
    return Space(0) if _is_published(work, sample) else found


def shared_by(samples: Iterable[Sample], results: str, *, archive: bool = False) -> list[Shared]:
    """File systems of this machine that datasets with a plan are still to be written to.

    Parameters
    ----------
    samples
        Rows of the sheet.
    results
        Folder of all work folders.
    archive
        Whether outputs are packed into one file as well.

    Returns
    -------
    list[Shared]
        One for each file system, with the bytes and inodes needed there.
    """
    found: dict[int, Shared] = {}
    for sample in samples:
        needed = needed_by(WorkFolder(Path(results, sample.dataset)), sample, archive=archive)
        file_system = file_system_of(sample.output) if needed is not None and needed.bytes else None
        if file_system is None or needed is None:
            continue
        shared = found.setdefault(file_system.device, Shared(file_system))
        shared.needed += needed
        shared.samples.append(sample)
    return list(found.values())


def _grids(arrays: Iterable[Mapping[str, list[int]]]) -> Iterator[Shape]:
    for array in arrays:
        cell = array["shards"] if isinstance(array.get("shards"), list) else array["chunks"]
        yield grid.grid_shape(tuple(array["shape"]), tuple(cell))


def _is_published(work: WorkFolder, sample: Sample) -> bool:
    """Whether the output holds what the plan says."""
    if not work.published.is_file() or is_claimed_elsewhere(work, sample.output):
        return False
    return work.published.stat().st_mtime_ns >= work.plan.stat().st_mtime_ns
