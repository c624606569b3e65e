"""Propose chunks and shards for a dataset in plan.json; keep the plan when somebody edited it.

An edited plan is copied to plan.json~, and what would be proposed now is written beside it, to
plan.proposed.json, when that is not what the edited plan was made from.
"""

import argparse
import functools
import logging
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uplift import command
from uplift.models.inventory import Inventory
from uplift.planning import batching
from uplift.planning import files as plan_files
from uplift.planning.planning import PlanSettings, plan_array, propose_plan, setting_notes
from uplift.work import json_files

log = logging.getLogger("uplift")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--plan", type=Path, required=True, help="plan.json to write or keep")
    parser.add_argument("--supplied", type=Path, help="a plan or parameter file to use instead")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--settings", type=command.json_argument, default={}, metavar="JSON")
    parser.add_argument("--unsupported", choices=("fail", "skip"), default="fail")
    return command.run_program(parser, _plan, argv)


def _plan(arguments: argparse.Namespace) -> None:
    path: Path = arguments.plan
    command.require(isinstance(arguments.settings, dict), "--settings: not a JSON object")
    inventory = json_files.read_model(arguments.inventory, Inventory)
    batching.skipped_arrays(inventory, batching.BatchSettings(unsupported=arguments.unsupported))
    existing = _read(path) if path.exists() else None
    settings = PlanSettings.parse(arguments.settings, f"planning of {arguments.dataset}")
    settings = plan_files.settings_in_force(settings, existing[0] if existing else None)
    fresh = propose_plan(inventory, settings, arguments.dataset)
    decision = plan_files.decide(
        inventory,
        fresh,
        functools.partial(plan_array, settings=settings),
        existing=existing,
        supplied=_read(arguments.supplied) if arguments.supplied is not None else None,
        memory_mib=settings.recode_memory_mib,
    )
    for line in (*setting_notes(inventory, settings), *decision.warnings):
        log.warning("%s", line)
    proposed = path.with_name(f"{path.stem}.proposed{path.suffix}")
    if decision.proposed is not None:
        json_files.write_json(proposed, decision.proposed)
        log.warning("%s: what would be proposed now", proposed)
    else:
        proposed.unlink(missing_ok=True)
    if decision.kept:
        log.warning("%s: was edited and is kept; delete it to plan anew", path)
        json_files.keep_backup(path)
    if decision.write:
        json_files.write_json(path, decision.plan)


def _read(path: Path) -> tuple[Any, str]:
    return json_files.read_json(path), str(path)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
