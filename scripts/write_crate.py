"""Write the output's RO-Crate (``ro-crate-metadata.json``): what it is, whose, and how it was made.

Switched off, it keeps the source's own crate as it is, where there is one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command, crate
from uplift.models.crate import CrateSample, CrateSettings
from uplift.models.inventory import Inventory
from uplift.models.migration import Migration
from uplift.storage import open_store
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--migration", type=Path, required=True, help="migration.json")
    parser.add_argument("--run", type=Path, required=True, help="run.json")
    parser.add_argument("--output", required=True, help="URL or folder of the output")
    parser.add_argument("--crate", type=Path, required=True, help="crate.json to write")
    parser.add_argument(
        "--sample",
        type=command.json_argument,
        required=True,
        metavar="JSON",
        help="the sheet's row: dataset, license, organism, modality, name, description",
    )
    parser.add_argument(
        "--settings",
        type=command.json_argument,
        default={},
        metavar="JSON",
        help="the config's crate section: enabled, author, publisher; and date_published",
    )
    command.add_storage(parser)
    return command.run_program(parser, _write, argv)


def _write(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    migration = json_files.read_model(arguments.migration, Migration)
    record = crate.write_crate(
        inventory,
        open_store(inventory.source, arguments.storage),
        open_store(arguments.output, arguments.storage, writable=True),
        CrateSample.parse(_without_empty(arguments.sample), "--sample"),
        CrateSettings.parse(arguments.settings, "--settings"),
        json_files.read_json(arguments.run),
        migration.target_version,
    )
    json_files.write_json(arguments.crate, record)


def _without_empty(row: object) -> object:
    """Empty cells of the sheet say nothing."""
    return {key: value for key, value in row.items() if value} if isinstance(row, dict) else row


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
