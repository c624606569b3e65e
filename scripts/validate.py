"""Validate a dataset: what convert compared is still there; documents, files, labels, the crate.

Writes the verdict and exits 0 whichever it is: publish stops at an invalid one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.batches import inputs
from uplift.batches.context import Locations, Settings
from uplift.batches.validating import Validation
from uplift.models.crate import CrateRecord
from uplift.models.inventory import Inventory
from uplift.models.migration import Migration
from uplift.ngff.conformity import summary
from uplift.running import command
from uplift.storage import open_store
from uplift.validate.dataset import WorkFiles, validate_dataset
from uplift.validators import ome_zarr
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.unfinished import note_unfinished


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    inputs.add_arguments(parser)
    command.add_required(parser, "migration", "root", writes=("validation",))
    parser.add_argument("--work", type=Path, required=True, help="folder of records and findings")
    parser.add_argument("--crate", default="", help='crate.json, or "" without a crate')
    parser.add_argument("--slices", type=command.json_argument, default=[], metavar="JSON")
    parser.add_argument("--manifest", type=Path, help="check sums of the whole output to write")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--verify", choices=("once", "reread"), default="once")
    parser.add_argument("--digest-limit-mib", type=int, default=0)
    command.add_storage(parser)
    return command.run_program(parser, _validate, argv)


def prepare() -> None:
    """Import other people's validators, for all datasets at once."""
    ome_zarr.all_validators()


def _validate(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    plan = inputs.in_force(arguments, inventory)
    inputs.read_slices(arguments.slices, plan.sha256)
    migration = json_files.read_model(arguments.migration, Migration)
    source = open_store(inventory.source, arguments.storage)
    output = open_store(arguments.output, arguments.storage)
    crate = json_files.read_model(Path(arguments.crate), CrateRecord) if arguments.crate else None
    folder, root = WorkFolder(arguments.work), arguments.root.read_bytes()
    with_manifest = arguments.manifest is not None
    files = WorkFiles(folder, plan.batches, plan.skipped, root, crate, with_manifest=with_manifest)
    locations = Locations(inventory.source, arguments.output, None, arguments.storage)
    settings = Settings(verify=arguments.verify, with_sums=with_manifest)
    with Validation(
        plan.batches,
        folder,
        locations,
        settings,
        cores=arguments.threads,
        root=root,
        digest_limit_bytes=arguments.digest_limit_mib * 2**20,
    ) as pixels:
        facts = (arguments.dataset, inventory, migration, files, source, output, pixels)
        made = validate_dataset(*facts, verify=arguments.verify, cores=arguments.threads)
    if with_manifest:
        json_files.write_text(arguments.manifest, made.manifest)
    verdict = made.validation
    json_files.write_json(arguments.validation, verdict)
    note_unfinished(folder, made.unfinished)
    what = arguments.dataset, verdict.verdict, summary(verdict.conforms, verdict.defects)
    severities = [finding.severity for finding in verdict.findings]
    counts = severities.count("error"), severities.count("warning")
    command.log.info("%s: %s (%s), %d errors, %d warnings", *what, *counts)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
