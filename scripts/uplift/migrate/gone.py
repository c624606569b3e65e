"""Delete what the source had when it was converted before, and no longer has."""

import logging

from uplift.models.inventory import Inventory
from uplift.models.paths import parents_of
from uplift.models.publication import MadeFrom
from uplift.outputs import HeldOutput
from uplift.outputs.keys import ROOT_KEY
from uplift.storage.protocol import join

log = logging.getLogger(__name__)


def remove_gone(inventory: Inventory, known: MadeFrom, output: HeldOutput) -> None:
    """Delete documents, chunks and files of nodes that are gone, and no objects of others.

    Parameters
    ----------
    inventory
        Of the source as it is now.
    known
        What this run may have written to the output.
    output
        The output, once everything else was written.
    """
    arrays = {array.path for array in inventory.arrays}
    nodes = arrays | {group.path for group in inventory.groups}
    files = {file.path for file in inventory.files}
    # folders are groups at the output, also where the source has no document for them
    parents = {parent for path in (*nodes, *files) for parent in parents_of(path)}
    gone_arrays = set(known.arrays) - arrays
    gone = {*known.arrays, *known.groups}
    gone |= {parent for path in gone for parent in parents_of(path)}
    documents = {join(path, ROOT_KEY) for path in gone - nodes - parents if path}
    for path in sorted(gone_arrays):
        chunks = join(path, "c")
        if chunks not in nodes | parents and chunks not in files:
            output.delete_tree(chunks)
            output.delete(chunks)
    for key in sorted(documents | (set(known.files) - files)):
        if key not in files | nodes | parents:
            output.delete(key)
    if gone_arrays or documents:
        log.info("deleted what the source has no more: %d arrays", len(gone_arrays))
