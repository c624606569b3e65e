"""Write the output's RO-Crate (``ro-crate-metadata.json``): what it is, whose, and how it was made.

Switched off, it keeps the source's own crate as it is, where there is one.
"""

import argparse
import sys
from collections.abc import Sequence

from uplift.crate.facts import Conversion, times_of
from uplift.crate.writing import write_crate
from uplift.models.inventory import Inventory
from uplift.models.migration import Migration
from uplift.outputs import hold
from uplift.running import command
from uplift.settings.columns import About, CrateSettings
from uplift.storage import open_store
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    read = ("inventory", "migration", "run", "claim", "output", "dataset")
    command.add_required(parser, *read, writes=("crate",))
    parser.add_argument(
        "--about",
        type=command.json_argument,
        default={},
        metavar="JSON",
        help="what the sheet says: license, author, organism, … (config/README.md)",
    )
    parser.add_argument(
        "--settings",
        type=command.json_argument,
        default={},
        metavar="JSON",
        help="how crates are written: enabled",
    )
    command.add_storage(parser)
    return command.run_program(parser, _write, argv)


def prepare() -> None:
    """Build what reads the settings, and import the list of licenses."""
    CrateSettings.model_rebuild()
    About.parse({"license": "CC0-1.0"}, "prepare")


def _write(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    migration = json_files.read_model(arguments.migration, Migration)
    record = write_crate(
        inventory,
        open_store(inventory.source, arguments.storage),
        hold(arguments.output, arguments.claim, arguments.storage),
        arguments.dataset,
        About.parse(arguments.about, "--about"),
        CrateSettings.parse(arguments.settings, "--settings"),
        Conversion(
            migration.target_version,
            *times_of(json_files.read_json(arguments.run)),
            json_files.file_sha256(arguments.inventory),
        ),
    )
    json_files.write_json(arguments.crate, record)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
