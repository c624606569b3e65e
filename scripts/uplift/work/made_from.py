"""``made_from.json``: which source an output's data come from, and which nodes that had.

It is not the output of a rule, so it is kept when the source is inspected again or a run is forced.
"""

import logging
from collections.abc import Iterable

from uplift.errors import InputError
from uplift.models.inventory import Inventory
from uplift.models.json_text import sha256_of_json
from uplift.models.publication import MadeFrom
from uplift.models.slices import Slice
from uplift.work import json_files
from uplift.work.folder import WorkFolder

log = logging.getLogger(__name__)


def read_made_from(work: WorkFolder) -> MadeFrom | None:
    """What the output of a work folder was made from; None when that is unknown.

    Results of earlier versions have it in ``migration.json``, without the nodes.
    """
    if work.made_from.is_file():
        return json_files.read_model(work.made_from, MadeFrom)
    source = source_of(work)
    return None if source is None else MadeFrom(source=source)


def source_of(work: WorkFolder) -> str | None:
    """Only the source of the output's data, if it is known and can be read: plates are large."""
    for path in (work.made_from, work.migration):
        if path.is_file():
            try:  # as plain JSON: every start looks at every dataset
                found = json_files.read_json(path).get("source")
            except (InputError, AttributeError):  # the jobs will say so
                return None
            return None if found is None else str(found)
    return None


def output_asked_for(work: WorkFolder) -> str | None:
    """Output of the last conversion, as the sheet had it then; None when nothing is converted."""
    first = next((path for _, _, path in work.slices()), None)
    try:
        return None if first is None else json_files.read_model(first, Slice).output
    except InputError as error:  # the job that needs the file says so
        log.info("%s", error)
        return None


def note_inspected(work: WorkFolder, inventory: Inventory) -> None:
    """Add the nodes of a source that was just inspected: jobs may convert them from now on."""
    known = read_made_from(work) or MadeFrom()
    noted = known.model_copy(
        update={
            "arrays": _union(known.arrays, (array.path for array in inventory.arrays)),
            "groups": _union(known.groups, (group.path for group in inventory.groups)),
            "files": _union(known.files, (file.path for file in inventory.files)),
        }
    )
    json_files.write_json(work.made_from, noted)


def note_claimed(work: WorkFolder, source: str, inventory: Inventory, output: str) -> None:
    """Note that the output is made from this source, once it holds nothing else.

    Parameters
    ----------
    work
        Of the dataset.
    source
        As the sheet names it.
    inventory
        Of that source.
    output
        What was claimed, in full.
    """
    known = read_made_from(work) or MadeFrom()
    content = content_sha256(inventory)
    is_same = known.source == source or known.inventory_sha256 == content
    outputs = _union(known.outputs if is_same else (), (output,))
    claimed = {"source": source, "inventory_sha256": content, "outputs": outputs}
    json_files.write_json(work.made_from, known.model_copy(update=claimed))


def note_migrated(work: WorkFolder, inventory: Inventory) -> None:
    """Keep only the nodes of this inventory: the output has no others any more."""
    known = read_made_from(work)
    noted = MadeFrom(
        source=inventory.source if known is None else known.source,
        inventory_sha256=content_sha256(inventory),
        outputs=() if known is None else known.outputs,
    )
    json_files.write_json(work.made_from, noted)
    note_inspected(work, inventory)


def content_sha256(inventory: Inventory) -> str:
    """Digest of a source's content, wherever it is: nodes, files, sizes and times of chunks."""
    held = inventory.to_json()
    return sha256_of_json({key: held[key] for key in ("arrays", "files", "groups")})


def _union(known: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*known, *more}))
