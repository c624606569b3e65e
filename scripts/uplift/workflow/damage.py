"""Work files that exist and cannot be used, and which step makes them again.

They are looked for while Snakemake lists the jobs, where nothing is written: these steps are forced
to run, and damaged files are deleted when the first job is about to start.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from uplift.errors import InputError
from uplift.models.base import Model
from uplift.models.publication import Claim
from uplift.models.slices import Slice
from uplift.models.validation import Validation
from uplift.outputs.keys import LOCK_KEY, ROOT_KEY
from uplift.work import json_files
from uplift.work.folder import WorkFolder

_MADE = ("[!p]*.json", "published.json", "convert/*.json", "records/*.json")
# a bad claim would be met when the dataset is hidden already
_READ_WHOLE: dict[str, type[Model]] = {"claim.json": Claim, "validation.json": Validation}


@dataclass(frozen=True)
class Damage:
    """One work file that is made again.

    Attributes
    ----------
    path
        The file, which may be gone.
    again
        What Snakemake has to make again: the file itself, or the output that represents it.
    line
        Message about it; empty when nothing is wrong.
    """

    path: Path
    again: tuple[Path, ...]
    line: str


def damage_of(work: WorkFolder, output: Path | None) -> Iterator[Damage]:
    """Look at the work files of a dataset.

    Only the ends of a file are read, since there may be a hundred thousand files; the step that
    reads a file finds other damage. A plan belongs to the user and is kept.

    Parameters
    ----------
    output
        Folder of the output, if it is on this machine.
    """
    for path in sorted(path for name in _MADE for path in work.path.glob(name)):
        if not _is_whole(path):
            yield Damage(path, _made_for(work, path), f"{path}: was damaged; it is made again")
    for path in _not_of_this_root(work):
        yield Damage(path, (path,), f"{path}: is about another root document; it is made again")
    if missing := _missing_record(work):
        line = f"{missing}: is gone; it is made again"
        yield Damage(missing, _made_for(work, missing), line)
    for path, was_said in _gone(work):
        yield Damage(path, (path,), "" if was_said else f"{path}: is gone; it is made again")
    if work.published.exists() and output is not None and _is_hidden(output):
        yield Damage(work.published, (work.published,), "")


def _gone(work: WorkFolder) -> Iterator[tuple[Path, bool]]:
    """Absent files of a dataset whose last file exists, and whether a later job removed them.

    That job failed or was forced, and said why: its log is newer than the last file.
    """
    if not work.published.exists():
        return
    finished = work.published.stat().st_mtime
    for step, files in {
        "inspect_source": (work.run, work.inventory),
        "plan": (work.plan,),
        "claim": (work.claim,),
        "migrate": (work.migration, work.root),
        "crate": (work.crate,),
        "validate": (work.validation,),
    }.items():
        log = work.path / "logs" / f"{step}.log"
        for path in files:
            if not path.exists():
                yield path, log.exists() and log.stat().st_mtime > finished


def _is_hidden(output: Path) -> bool:
    """Whether an interrupted run has hidden a dataset again."""
    return (output / LOCK_KEY).exists() and not (output / ROOT_KEY).exists()


def _made_for(work: WorkFolder, path: Path) -> tuple[Path, ...]:
    """Files of the rules, where a job writes more files than those."""
    if path.parent == work.record("").parent:
        return tuple(file for _, _, file in work.slices())
    return (path,)


def _missing_record(work: WorkFolder) -> Path | None:
    """An absent record that a slice lists; Snakemake does not know about records."""
    folder = work.record("").parent
    there = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    for _, _, path in work.slices():
        try:
            wanted = json_files.read_model(path, Slice).batches
        except InputError:  # the step that needs it names it
            continue
        for batch in wanted:
            if work.record(batch).name not in there:
                return work.record(batch)
    return None


def _is_whole(path: Path) -> bool:
    if model := _READ_WHOLE.get(path.name):
        try:
            json_files.read_model(path, model)
        except InputError:
            return False
        return True
    with path.open("rb") as stream:
        first = stream.read(1)
        stream.seek(max(0, path.stat().st_size - 2))
        return first == b"{" and stream.read().rstrip() == b"}"


def _not_of_this_root(work: WorkFolder) -> Iterator[Path]:
    """Staged root document that migrate did not make; verdict on another one."""
    if not (work.root.exists() and work.migration.exists()):
        return
    try:
        # as plain JSON: every start looks at every dataset
        made = json_files.read_json(work.migration).get("root_sha256")
        verdict = json_files.read_json(work.validation) if work.validation.exists() else {}
    except InputError:  # the step that needs it names it
        return
    digest = json_files.file_sha256(work.root)
    if made not in (None, digest):  # None: of an earlier version
        yield work.root
    elif verdict.get("root_sha256", digest) != digest:
        yield work.validation
