"""Split the plan in force into batches: one JSON file a job, and summary.json with all of them.

What the folder holds of batches that are no more, or were planned otherwise, is forgotten.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uplift import command
from uplift.convert.outdated import forget_outdated
from uplift.models.inventory import Inventory
from uplift.planning import batching
from uplift.planning import files as plan_files
from uplift.storage import display_url
from uplift.work import batches as batch_files
from uplift.work import json_files

log = logging.getLogger("uplift")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--plan", type=Path, required=True, help="plan.json")
    parser.add_argument("--batches", type=Path, required=True, help="folder to write them to")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--output", required=True, help="folder or URL of the output")
    parser.add_argument("--settings", type=command.json_argument, default={}, metavar="JSON")
    return command.run_program(parser, _split, argv)


def _split(arguments: argparse.Namespace) -> None:
    where, dataset = str(arguments.plan), arguments.dataset
    command.require(isinstance(arguments.settings, dict), "--settings: not a JSON object")
    inventory = json_files.read_model(arguments.inventory, Inventory)
    given: dict[str, Any] = dict(arguments.settings)
    given.pop("planning", None)
    settings = batching.BatchSettings.parse(given, f"batches of {dataset}")
    skipped = batching.skipped_arrays(inventory, settings)
    data = json_files.read_json(arguments.plan)
    _, effective, warnings = plan_files.resolved(data, inventory, dataset, where)
    for warning in warnings:
        log.warning("%s", warning)
    if plan_files.is_edited(data):
        batch_files.keep_backup(arguments.plan)
    output = display_url(arguments.output)
    batches = batching.split(inventory, effective, dataset, output, settings)
    forget_outdated(arguments.batches.parent, batches)
    summary = batching.summarise(inventory, effective, batches, dataset, skipped)
    written = batch_files.write_batches(arguments.batches, batches, summary)
    log.info("%d batches, %d of them new or changed", len(batches), written)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
