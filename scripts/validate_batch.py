"""Validate one batch: compare every chunk and every element with the source, digest each chunk.

Exits 0 whatever it finds: findings are for the verdict on the dataset.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.models.batch import Batch
from uplift.models.record import Record
from uplift.storage import open_store
from uplift.validate.objects.manifest import batch_sums, spell
from uplift.validate.pixels.digests import write_digests
from uplift.validate.pixels.items import CheckSettings, validate_batch
from uplift.validate.pixels.standing import Standing
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--batch", type=Path, required=True, help="batches/<batch>.json")
    parser.add_argument("--record", type=Path, required=True, help="records/<batch>.json")
    parser.add_argument(
        "--migration",
        type=Path,
        required=True,
        help="migration.json: the output's documents must have been written",
    )
    parser.add_argument("--root", type=Path, required=True, help="root.zarr.json")
    parser.add_argument("--validation", type=Path, required=True, help="findings to write")
    parser.add_argument("--digests", type=Path, required=True, help="digest rows to write")
    parser.add_argument("--manifest", type=Path, help="check sums of the stored objects to write")
    parser.add_argument(
        "--standing", type=Path, help="note of what was compared; unchanged, nothing is read again"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--digest-limit-mib", type=int, default=4096)
    command.add_storage(parser)
    return command.run_program(parser, _validate, argv)


def _validate(arguments: argparse.Namespace) -> None:
    batch = json_files.read_model(arguments.batch, Batch)
    record = json_files.read_model(arguments.record, Record)
    json_files.read_json(arguments.migration)
    source = open_store(batch.source, arguments.storage)
    output = open_store(batch.output, arguments.storage)
    settings = CheckSettings(
        threads=max(1, arguments.threads),
        digest_limit_bytes=arguments.digest_limit_mib * 2**20,
        root_document=arguments.root.read_bytes(),
    )
    standing = None
    if arguments.standing is not None:
        results = [arguments.validation, arguments.digests]
        results += [arguments.manifest] if arguments.manifest is not None else []
        standing = Standing(arguments.standing, results, batch, record, source, output, settings)
        if standing.holds():
            standing.keep()
            command.log.info("both sides are as they were when they were compared")
            return
    validation, rows = validate_batch(batch, record, source, output, settings)
    write_digests(arguments.digests, rows)
    if arguments.manifest is not None:
        json_files.write_text(
            arguments.manifest, spell(batch_sums(batch, output, settings.threads))
        )
    json_files.write_json(arguments.validation, validation)
    if standing is not None:
        standing.remember(validation)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
