"""Propose chunks and shards for a dataset in plan.json; keep the plan when somebody edited it.

A fresh proposal that differs from the one an edited plan was made from is written beside it, to
plan.proposed.json. An edited plan is also copied to plan.json~.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command, records
from uplift.errors import PlanError
from uplift.models.inventory import Inventory
from uplift.models.plan import Plan
from uplift.plan_files import effective_arrays, is_edited, parse_plan, render_plan, stamped
from uplift.planning import PlanSettings, propose_plan

log = logging.getLogger("uplift")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--inventory", type=Path, required=True, help="inventory.json")
    parser.add_argument("--plan", type=Path, required=True, help="plan.json to write or keep")
    parser.add_argument("--supplied", type=Path, help="a plan or parameter file to use instead")
    parser.add_argument("--dataset", required=True, help="name of the dataset")
    parser.add_argument("--settings", type=command.json_argument, default={}, metavar="JSON")
    return command.run_program(parser, _plan, argv)


def _plan(arguments: argparse.Namespace) -> None:
    inventory = records.read_model(arguments.inventory, Inventory)
    settings = PlanSettings.parse(arguments.settings, "settings of the plan")
    proposal = stamped(propose_plan(inventory, settings, arguments.dataset))
    edited = _edited(arguments.plan, proposal)
    if arguments.supplied is not None:
        if edited is not None:
            raise PlanError(
                f"{arguments.plan}: was edited, but {arguments.supplied} is supplied as well; "
                "move your edit there, or remove one of the two"
            )
        proposal = stamped(_read(arguments.supplied, proposal))
        effective_arrays(proposal, inventory, str(arguments.supplied))
    elif edited is not None:
        _keep(arguments.plan, edited, proposal)
        return
    records.write_json(arguments.plan, render_plan(proposal))
    _beside(arguments.plan, "plan.proposed.json").unlink(missing_ok=True)


def _edited(path: Path, proposal: Plan) -> Plan | None:
    """Return the plan that stands there if somebody edited it."""
    if not path.exists():
        return None
    data = records.read_json(path)
    generated = data.get("generated_sha256") if isinstance(data, dict) else None
    plan = _read(path, proposal) if generated != proposal.generated_sha256 else None
    if plan is None:
        plan = _read(path, proposal)
    return plan if is_edited(plan) else None


def _read(path: Path, proposal: Plan) -> Plan:
    plan, warnings = parse_plan(records.read_json(path), proposal, str(path))
    for warning in warnings:
        log.warning("%s", warning)
    return plan


def _keep(path: Path, edited: Plan, proposal: Plan) -> None:
    records.write_text(_beside(path, f"{path.name}~"), path.read_text(encoding="utf-8"))
    proposed = _beside(path, "plan.proposed.json")
    log.warning("%s: was edited and is kept", path)
    if edited.generated_sha256 == proposal.generated_sha256:
        proposed.unlink(missing_ok=True)
    else:
        records.write_json(proposed, render_plan(proposal))
        log.warning("%s: what would be proposed now", proposed)


def _beside(path: Path, name: str) -> Path:
    return path.with_name(name)


if __name__ == "__main__":
    from uplift import step

    sys.exit(step.run(main, globals().get("snakemake")))
