"""Migrate the metadata: write the documents of all groups and arrays, copy all other files.

The root's document is written to ``root.zarr.json`` only; publish puts it in its place.
"""

import argparse
import sys
from collections.abc import Sequence

from uplift.batches import inputs
from uplift.migrate.dataset import migrate_dataset
from uplift.models.inventory import Inventory
from uplift.ngff.versions import DEFAULT_TARGET, TARGETS
from uplift.outputs import hold
from uplift.running import command
from uplift.storage import open_store
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.job_lock import only_job
from uplift.work.made_from import note_migrated, read_made_from


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    inputs.add_arguments(parser)
    command.add_required(
        parser,
        "claim",
        writes=(
            "migration",
            "root",
        ),
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--slices", type=command.json_argument, default=[], metavar="JSON")
    parser.add_argument("--target-version", choices=list(TARGETS), default=DEFAULT_TARGET)
    command.add_switch(parser, "--consolidated-metadata")
    command.add_switch(parser, "--spatialdata")
    command.add_storage(parser)
    return command.run_program(parser, _migrate, argv)


def _migrate(arguments: argparse.Namespace) -> None:
    # what a job of an older plan writes late would stand in the place of what this one writes
    with only_job(arguments.migration, overlap=False):
        _migrate_alone(arguments)


def _migrate_alone(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    plan = inputs.in_force(arguments, inventory)
    inputs.read_slices(arguments.slices, plan.sha256)
    work = WorkFolder(arguments.inventory.parent)
    source = open_store(inventory.source, arguments.storage)
    output = hold(arguments.output, arguments.claim, arguments.storage)
    migration, root = migrate_dataset(
        inventory,
        {path: target for path, (target, _) in plan.targets.items()},
        plan.skipped,
        source,
        output,
        arguments.target_version,
        consolidated=arguments.consolidated_metadata,
        spatialdata=arguments.spatialdata,
        known=read_made_from(work),
        cores=arguments.threads,
    )
    output.hide_other(root)
    note_migrated(work, inventory)
    json_files.write_text(arguments.root, root.decode())
    json_files.write_lines(arguments.migration, migration.to_json(), "nodes")
    command.log.info(
        "migrated %d groups and arrays, copied %d files", migration.documents, len(migration.files)
    )


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
