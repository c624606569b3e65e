"""Split the plan in force into batches: one JSON file a job, and summary.json with all of them."""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import batching, command, records
from uplift.models.inventory import Inventory
from uplift.plan_files import apply_rules, effective_arrays, parse_plan
from uplift.planning import PlanSettings, estimate, propose_plan, with_prediction
from uplift.storage import display_url

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
    inventory = records.read_model(arguments.inventory, Inventory)
    settings = batching.BatchSettings.parse(arguments.settings, "settings of the batches")
    skipped = batching.skipped_arrays(inventory, settings)
    proposal = propose_plan(inventory, PlanSettings(), arguments.dataset)
    plan, warnings = parse_plan(records.read_json(arguments.plan), proposal, str(arguments.plan))
    for warning in warnings:
        log.warning("%s", warning)
    effective = effective_arrays(plan, inventory, str(arguments.plan))
    entries = [entry for entry in inventory.arrays if entry.path in effective]
    arrays = {array.path: apply_rules(array, plan.rules) for array in plan.arrays}
    predicted = tuple(with_prediction(entry, arrays[entry.path]) for entry in entries)
    total = estimate(entries, predicted, inventory)
    output = display_url(arguments.output)
    batches = list(batching.split(inventory, effective, arguments.dataset, output, settings))
    folder: Path = arguments.batches
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {f"{batch.batch}.json" for batch in batches}
    for stale in folder.glob("*.json"):
        if stale.name not in wanted:
            stale.unlink()
    for batch in batches:
        records.write_json(folder / f"{batch.batch}.json", batch)
    summary = batching.summarise(batches, total, arguments.dataset, skipped)
    records.write_json(folder / "summary.json", summary)


if __name__ == "__main__":
    from uplift import step

    sys.exit(step.run(main, globals().get("snakemake")))
