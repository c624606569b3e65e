"""``unfinished.json``: what validate's listing of an output found that killed writers left there.

So publish, which removes it, does not list the output once more: over a network that is an eighth
of the time that a plate takes. It is no part of ``validation.json``, which is the same whether
jobs were killed or not. Whatever writes to the output removes it first: it may be killed, too.
"""

from collections.abc import Iterable

from uplift.models.json_text import sha256_of
from uplift.models.publication import UnfinishedObjects
from uplift.work import json_files
from uplift.work.folder import WorkFolder


def note_unfinished(work: WorkFolder, keys: Iterable[str]) -> None:
    """Write down what was found, once ``validation.json`` is written."""
    validated = sha256_of(work.validation.read_bytes())
    found = UnfinishedObjects(validation_sha256=validated, keys=tuple(keys))
    json_files.write_json(work.unfinished, found)


def noted_unfinished(work: WorkFolder) -> tuple[str, ...] | None:
    """Keys that belong to the ``validation.json`` there is; None: list the output."""
    if not work.unfinished.is_file():  # an earlier version validated, or something wrote since
        return None
    noted = json_files.read_model(work.unfinished, UnfinishedObjects)
    is_current = noted.validation_sha256 == sha256_of(work.validation.read_bytes())
    return noted.keys if is_current else None


def forget_unfinished(work: WorkFolder) -> None:
    """Remove the note, before something is written to the output."""
    work.unfinished.unlink(missing_ok=True)
