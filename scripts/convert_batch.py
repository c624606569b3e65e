"""Convert one batch: pack (or decode and encode) source chunks into the shards of the output.

Killed, it goes on from its journal when it is run again. Without the journal it does all again.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.convert.batch import convert_batch
from uplift.convert.item import ConvertSettings
from uplift.models.batch import Batch
from uplift.models.record import Record
from uplift.outputs import hold
from uplift.storage import open_store
from uplift.work import json_files
from uplift.work.job_lock import only_job
from uplift.work.journal import Journal


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--batch", type=Path, required=True, help="batches/<batch>.json")
    parser.add_argument("--claim", type=Path, required=True, help="claim.json of this output")
    parser.add_argument("--record", type=Path, required=True, help="record to write")
    parser.add_argument("--journal", type=Path, required=True, help="journal to resume from")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--on-bad-chunk", choices=("fail", "fill"), default="fail")
    parser.add_argument("--durability", choices=("fsync", "none"), default="fsync")
    command.add_storage(parser)
    return command.run_program(parser, _convert, argv)


def _convert(arguments: argparse.Namespace) -> None:
    with only_job(arguments.journal):
        # read inside: while another job was waited for, the plan may have been edited
        batch = json_files.read_model(arguments.batch, Batch)
        json_files.write_json(arguments.record, _record_of(batch, arguments))


def _record_of(batch: Batch, arguments: argparse.Namespace) -> Record:
    source = open_store(batch.source, arguments.storage)
    output = hold(batch.output, arguments.claim, arguments.storage, durability=arguments.durability)
    settings = ConvertSettings(
        threads=max(1, arguments.threads),
        fill_bad_chunks=arguments.on_bad_chunk == "fill",
    )
    return convert_batch(batch, source, output, Journal(arguments.journal), settings)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
