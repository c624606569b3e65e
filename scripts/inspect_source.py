"""Inspect a source: list what is there in inventory.json; freeze this run's facts in run.json."""

import argparse
import sys
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

from uplift import __version__
from uplift.crate.review import check_license
from uplift.inspect_source.listers import Listers
from uplift.inspect_source.walk import inspect_source
from uplift.ngff.versions import DEFAULT_TARGET, TARGETS
from uplift.outputs.overlap import refuse_overlap
from uplift.running import command
from uplift.storage import open_store
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.work.made_from import note_inspected


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    command.add_required(
        parser,
        "source",
        "output",
        "dataset",
        writes=(
            "inventory",
            "run",
        ),
    )
    parser.add_argument("--target-version", choices=list(TARGETS), default=DEFAULT_TARGET)
    parser.add_argument("--on-bad-metadata", default="keep", choices=("keep", "fail"))
    parser.add_argument("--litter", default="drop", choices=("drop", "copy"))
    parser.add_argument("--on-recent-change", default="warn", choices=("ignore", "warn", "fail"))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--license", help="refused if more permissive than the source's own")
    command.add_storage(parser)
    return command.run_program(parser, _inspect, argv)


def _inspect(arguments: argparse.Namespace) -> None:
    refuse_overlap(arguments.source, arguments.output)
    now = datetime.now(UTC)
    source = open_store(arguments.source, arguments.storage)
    check_license(source, arguments.license)  # first: the other may take minutes
    reopen = partial(open_store, arguments.source, arguments.storage)
    inventory = inspect_source(
        source,
        target=arguments.target_version,
        refuse_defects=arguments.on_bad_metadata == "fail",
        copy_litter=arguments.litter == "copy",
        on_recent=arguments.on_recent_change,
        listers=Listers(reopen, arguments.threads),
    )
    if not arguments.run.exists():
        facts = {
            "schema": "ngff-uplift/run/1",
            "run_id": uuid.uuid4().hex,
            "date": now.date().isoformat(),
            "began": now.isoformat(timespec="seconds"),
            "tool_version": __version__,
        }
        json_files.write_json(arguments.run, facts)
    # first: what an array that is gone from the source left at the output is known by this alone
    note_inspected(WorkFolder(arguments.inventory.parent), inventory)
    json_files.write_lines(arguments.inventory, inventory.to_json(), "arrays")


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
