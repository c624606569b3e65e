"""Take the output for this run: write the lock there, hide what an earlier run published.

Refuses an output that another run holds, or that holds a dataset this run did not start (unless
``--overwrite true``, which empties it), or that holds what was made from another source.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.claim import claim_output
from uplift.crate.review import check_license
from uplift.models.crate import CRATE_KEY
from uplift.models.inventory import Inventory
from uplift.models.publication import Published
from uplift.outputs.overlap import is_same_location
from uplift.running import command
from uplift.storage import open_store
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.made_from import content_sha256, note_claimed, output_asked_for, read_made_from


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    command.add_required(parser, "source", "run", "output", writes=("claim",))
    command.add_switch(parser, "--overwrite")
    parser.add_argument("--published", type=Path, help="published.json of an earlier run, if any")
    parser.add_argument("--license", help="refused if more permissive than the source's own")
    command.add_storage(parser)
    return command.run_program(parser, _claim, argv)


def _claim(arguments: argparse.Namespace) -> None:
    run_id = str(json_files.read_json(arguments.run)["run_id"])
    published = arguments.published
    known = None
    if published is not None and published.is_file():
        known = json_files.read_model(published, Published)
    work = WorkFolder(arguments.run.parent)
    inventory = json_files.read_model(work.inventory, Inventory)
    source = open_store(arguments.source, arguments.storage)
    # a crate that was not listed when the source was inspected is not asked for again
    if not source.can_list or any(file.path == CRATE_KEY for file in inventory.files):
        check_license(source, arguments.license)
    made = read_made_from(work)
    claimed = claim_output(
        arguments.output,
        arguments.storage,
        run_id,
        arguments.run.parent,
        source_url=arguments.source,
        overwrite=arguments.overwrite,
        known=known,
        is_named_as_then=output_asked_for(work) in (None, arguments.output),
        earlier=made.outputs if made is not None else (),
        made_from=_another_source(work, arguments.source, inventory),
    )
    note_claimed(work, arguments.source, inventory, claimed.output)
    asked = claimed.model_copy(update={"asked": arguments.output})
    json_files.write_json(arguments.claim, asked)


def _another_source(work: WorkFolder, source: str, inventory: Inventory) -> str | None:
    """The source of the output's data, when it is another than now and not one that was moved."""
    made = read_made_from(work)
    if made is None or made.source is None:
        return None
    if any(is_same_location(made.source, here) for here in (source, inventory.source)):
        return None
    return None if made.inventory_sha256 == content_sha256(inventory) else made.source


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
