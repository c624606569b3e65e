"""Inputs and outputs of all rows: whether they are there, and whether they are in each other's way.

Nothing is opened or written: a thousand rows are looked at in a moment, before any job.
"""

import os
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from uplift.models.paths import parents_of
from uplift.settings.mistakes import Mistake
from uplift.settings.urls import ARCHIVES, comparable, display_url, is_local, local_path

_EFFECTIVE = os.access in os.supports_effective_ids
# Each is an option in the command line of each job, which must not exceed 128 KiB.
_MOST_FOLDERS = 32


class Ends(NamedTuple):
    """Where a dataset comes from and goes to, and where that is stated: file and line, or config.

    Of a row with other mistakes too: all of them are said at once.
    """

    where: str
    dataset: str
    input: str
    output: str

    def mistake(self, text: str, **names: str) -> Mistake:
        """A mistake of this row: its text, and what stands in it in braces."""
        return Mistake(f'{self.where} (dataset "{self.dataset}")', text.format(**names), text)


def absent(path: str, sheet: Path | None, what: str) -> str:
    """Say that there is nothing at a path, and where it may have been meant to lead.

    Parameters
    ----------
    path
        As it is written; a relative one starts at the working folder.
    sheet
        The sheet it is written in.
    what
        What is missing, such as ``folder or archive``.

    Returns
    -------
    str
        One line for people.
    """
    found = sheet.parent / path if sheet is not None else None
    if found is None or Path(path).is_absolute() or not found.exists():
        start = "" if Path(path).is_absolute() else f" (relative paths start at {Path.cwd()})"
        return f"{path}: no such {what}; correct the path{start}"
    return (
        f"{path}: no such {what} in the working folder ({Path(path).absolute()}), where relative "
        f"paths start, but there is one next to the sheet; write {found.resolve()} if that is meant"
    )


def unusable_input(url: str, sheet: Path | None) -> Iterator[str]:
    """Say that a local input is absent, or neither a folder nor an archive.

    Parameters
    ----------
    url
        The input.
    sheet
        The sheet it is from; None for a dataset that the config describes.
    """
    if not is_local(url):
        return
    path = Path(local_path(url))
    if not path.exists():
        text = absent(str(path), sheet, "folder or archive")
        yield f"input: {text}{', or take the row out' if sheet else ''}"
    elif path.is_file() and not path.name.lower().endswith(ARCHIVES):
        yield (
            f"input: {url}: a file, not a folder or an archive (.zip, .ozx); give the folder "
            "that holds the dataset"
        )


def unusable_output(url: str) -> Iterator[str]:
    """Say that this user cannot make a local output that is not there yet.

    A published dataset needs no writing, unless something changed: then the job says so.
    """
    if not is_local(url) or _is_there(Path(local_path(url), "zarr.json")):
        return
    folder = _folder_above(url)
    if not folder.is_dir():
        yield f"output: {url}: {folder} is a file; choose another location"
    elif not os.access(folder, os.W_OK | os.X_OK, effective_ids=_EFFECTIVE):
        yield (
            f"output: {url}: this user may not write to {folder}; ask for the permission or "
            "choose another location"
        )


def closed_to_the_group(outputs: Iterable[str]) -> Iterator[str]:
    """Folders that a group shares, where what this process writes is not to be read by the group.

    A folder is shared when files in it get its group (setgid), and access control lists of its own
    do not decide who may read them. One line for each.
    """
    umask = os.umask(0o077)
    os.umask(umask)
    if not umask & 0o050:
        return
    found: dict[Path, None] = {}
    for url in outputs:
        if is_local(url) and not _is_there(Path(local_path(url), "zarr.json")):
            found[_folder_above(url)] = None
    for folder in found:
        if folder.stat().st_mode & stat.S_ISGID and not _has_own_rules(folder):
            yield (
                f"{folder}: a group shares this folder, and others of the group will not be able "
                f"to read what is written there (umask {umask:04o}); run umask 0027 first"
            )


def folders_to_bind(locations: Iterable[str]) -> list[str]:
    """Folders of this machine that jobs in a container must see, other than the working folder.

    Where there are too many, they are replaced by those above them.

    Parameters
    ----------
    locations
        Inputs, outputs and files, which need not be there yet; what is remote is left out.

    Returns
    -------
    list of str
        Folders that exist, none inside another: where links lead, too.
    """
    local = [Path(local_path(one)).absolute() for one in locations if is_local(one)]
    near = {_seen_from_root(path) for path in (*local, *(path.resolve() for path in local))}
    found = _outermost(near - {Path("/")})
    while len(found) > _MOST_FOLDERS:
        depth = max(len(folder.parts) for folder in found)
        if depth == len(("/", "data")):
            break
        found = _outermost(f.parent if len(f.parts) == depth else f for f in found)
    here = Path.cwd()
    return [str(folder) for folder in found if not folder.is_relative_to(here)]


def _seen_from_root(path: Path) -> Path:
    """Folder that a path is in; itself where that is the root, which cannot be bound."""
    folder = _folder_above(str(path.parent))
    return path if folder == Path("/") and _is_there(path) else folder


def _outermost(folders: Iterable[Path]) -> list[Path]:
    found: list[Path] = []
    for folder in sorted(set(folders)):
        if not found or not folder.is_relative_to(found[-1]):
            found.append(folder)
    return found


def _folder_above(url: str) -> Path:
    """Nearest folder (or file) at or above a path that may not be there yet."""
    folder = Path(local_path(url)).absolute()
    while not _is_there(folder):
        folder = folder.parent
    return folder


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except PermissionError:  # in a folder that this user may not look into
        return False


def _has_own_rules(folder: Path) -> bool:
    try:
        return bool(os.getxattr(folder, "system.posix_acl_default"))
    except (OSError, AttributeError):  # there are none; no such call on this system
        return False


def confused_urls(rows: Sequence[Ends]) -> Iterator[Mistake]:
    """Web addresses that differ in nothing but what is never written down.

    Their query may be a signature or a password, so work files and jobs know them without it
    (:func:`uplift.storage.urls.hide_url`), and would take one for the other.
    """
    found: dict[str, tuple[str, Ends]] = {}
    for row in rows:
        for side, url in (("input", row.input), ("output", row.output)):
            if is_local(url):
                continue
            shown = display_url(url)
            first, other = found.setdefault(shown, (url, row))
            if first != url:
                yield row.mistake(
                    '{side} {shown}: differs from that of dataset "{other}" only in what follows '
                    "the question mark, or in the password, which are not kept; convert the two "
                    "with a sheet, and a results folder, each",
                    side=side,
                    shown=shown,
                    other=other.dataset,
                )


def colliding_outputs(rows: Sequence[Ends]) -> Iterator[Mistake]:
    """Outputs that are, hold or lie in another row's output or any row's input."""
    outputs: dict[str, Ends] = {}
    for row in rows:
        location = comparable(row.output)
        if location in outputs:
            yield row.mistake(
                'output {output} is also that of dataset "{other}"; give each its own',
                output=row.output,
                other=outputs[location].dataset,
            )
        outputs.setdefault(location, row)
    for location, row in outputs.items():
        for outer in _folders_above(location):
            if outer in outputs:
                yield row.mistake(
                    'output {output} lies inside that of dataset "{other}"; choose a location '
                    "outside of it",
                    output=row.output,
                    other=outputs[outer].dataset,
                )
    yield from _overlapping_inputs(rows, outputs)


def _overlapping_inputs(rows: Sequence[Ends], outputs: Mapping[str, Ends]) -> Iterator[Mistake]:
    inputs: dict[str, list[Ends]] = {}
    for one in rows:
        inputs.setdefault(comparable(one.input), []).append(one)
    for location, row in outputs.items():
        for outer in (location, *_folders_above(location)):
            yield from (_overlap(row, one) for one in inputs.get(outer, ()))
    for location, found in inputs.items():
        for row in (outputs[outer] for outer in _folders_above(location) if outer in outputs):
            yield from (_overlap(row, one) for one in found)


def _overlap(row: Ends, other: Ends) -> Mistake:
    own = row.dataset == other.dataset
    whose = "its input" if own else 'the input of dataset "{other}",'
    return row.mistake(
        f"output {{output}} overlaps {whose} {{input}}; choose a location outside of it",
        output=row.output,
        other=other.dataset,
        input=other.input,
    )


def _folders_above(location: str) -> Iterator[str]:
    return filter(None, parents_of(location))
