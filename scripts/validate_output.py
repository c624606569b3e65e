"""Validate a dataset: documents, attributes, files, labels, crate, and the batches put together.

Writes the verdict and exits 0 whichever it is: publish stops at an invalid one.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.models.crate import CrateRecord
from uplift.models.inventory import Inventory
from uplift.models.migration import Migration
from uplift.ngff.conformity import summary
from uplift.storage import open_store
from uplift.validate.dataset import WorkFiles, validate_dataset
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--batches", type=Path, required=True, help="folder of the batches")
    parser.add_argument("--records", type=Path, required=True, help="folder of the records")
    parser.add_argument("--validations", type=Path, required=True, help="folder of their checks")
    parser.add_argument("--migration", type=Path, required=True, help="migration.json")
    parser.add_argument("--root", type=Path, required=True, help="root.zarr.json")
    parser.add_argument("--crate", default="", help='crate.json, or "" without a crate')
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--validation", type=Path, required=True, help="verdict to write")
    parser.add_argument("--manifest", type=Path, help="check sums of the whole output to write")
    command.add_storage(parser)
    parser.add_argument(
        "--verify", choices=("once", "reread"), default="once", help="reread: list the source again"
    )
    return command.run_program(parser, _validate, argv)


def _validate(arguments: argparse.Namespace) -> None:
    inventory = json_files.read_model(arguments.inventory, Inventory)
    migration = json_files.read_model(arguments.migration, Migration)
    crate = json_files.read_model(Path(arguments.crate), CrateRecord) if arguments.crate else None
    files = WorkFiles(
        batches=arguments.batches,
        records=arguments.records,
        validations=arguments.validations,
        root=arguments.root,
        crate=crate,
        with_manifest=arguments.manifest is not None,
    )
    validation, manifest = validate_dataset(
        arguments.dataset,
        inventory,
        migration,
        files,
        open_store(inventory.source, arguments.storage),
        open_store(migration.output, arguments.storage),
        reread=arguments.verify == "reread",
    )
    if arguments.manifest is not None:
        json_files.write_text(arguments.manifest, manifest)
    json_files.write_json(arguments.validation, validation)
    counts = [f.severity for f in validation.findings]
    command.log.info(
        "%s: %s (%s), %d errors, %d warnings",
        arguments.dataset,
        validation.verdict,
        summary(validation.conforms, validation.defects),
        counts.count("error"),
        counts.count("warning"),
    )


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
