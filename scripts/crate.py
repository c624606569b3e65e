"""Write the output's RO-Crate (``ro-crate-metadata.json``): what it is, whose, and how it was made.

Switched off, it keeps the source's own crate as it is, where there is one.
"""

import argparse
import hashlib
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import crate
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
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--migration", type=Path, required=True, help="migration.json")
    parser.add_argument("--run", type=Path, required=True, help="run.json")
    parser.add_argument("--claim", type=Path, required=True, help="claim.json of this output")
    parser.add_argument("--output", required=True, help="URL or folder of the output")
    parser.add_argument("--crate", type=Path, required=True, help="crate.json to write")
    parser.add_argument("--dataset", required=True, help="its name in the sheet")
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


def _write(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    migration = json_files.read_model(arguments.migration, Migration)
    record = crate.write_crate(
        inventory,
        open_store(inventory.source, arguments.storage),
        hold(arguments.output, arguments.claim, arguments.storage),
        arguments.dataset,
        About.parse(arguments.about, "--about"),
        CrateSettings.parse(arguments.settings, "--settings"),
        crate.Conversion(
            migration.target_version,
            *crate.times_of(json_files.read_json(arguments.run)),
            hashlib.sha256(arguments.inventory.read_bytes()).hexdigest(),
        ),
    )
    json_files.write_json(arguments.crate, record)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
