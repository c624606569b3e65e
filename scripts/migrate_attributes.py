"""Migrate the metadata: write the documents of all groups and arrays, copy all other files.

The root's document is written to ``root.zarr.json`` only; publish puts it in its place.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.migrate.dataset import migrate_dataset, targets_of
from uplift.models.batch import Batch, BatchSummary
from uplift.models.inventory import Inventory
from uplift.ngff.versions import TARGETS
from uplift.outputs import hold
from uplift.storage import open_store
from uplift.work import json_files
from uplift.work.job_lock import only_job


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--batches", type=Path, required=True, help="folder of the batches")
    parser.add_argument("--claim", type=Path, required=True, help="claim.json of this output")
    parser.add_argument("--output", required=True, help="URL or folder of the output")
    parser.add_argument("--migration", type=Path, required=True, help="migration.json to write")
    parser.add_argument("--root", type=Path, required=True, help="root.zarr.json to write")
    parser.add_argument("--target-version", choices=list(TARGETS), default=list(TARGETS)[-1])
    parser.add_argument(
        "--consolidated-metadata", default="false", choices=("true", "false"), type=str.lower
    )
    command.add_storage(parser)
    return command.run_program(parser, _migrate, argv)


def _migrate(arguments: argparse.Namespace) -> None:
    # what a job of an older plan writes late would stand in the place of what this one writes
    with only_job(arguments.migration, beside=False):
        _migrate_alone(arguments)


def _migrate_alone(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    summary = json_files.read_model(arguments.batches / "summary.json", BatchSummary)
    targets = targets_of(
        json_files.read_model(arguments.batches / f"{batch}.json", Batch)
        for batch in summary.batches
    )
    source = open_store(inventory.source, arguments.storage)
    output = hold(arguments.output, arguments.claim, arguments.storage)
    migration, root = migrate_dataset(
        inventory,
        targets,
        summary.skipped,
        source,
        output,
        arguments.target_version,
        consolidated=arguments.consolidated_metadata == "true",
    )
    json_files.write_text(arguments.root, root.decode())
    json_files.write_json(arguments.migration, migration)
    command.log.info(
        "migrated %d groups and arrays, copied %d files", len(migration.nodes), len(migration.files)
    )


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
