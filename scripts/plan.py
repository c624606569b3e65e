"""Propose chunks and shards for a dataset in plan.json; keep a plan that was edited.

An edited plan is copied to plan.json~, and what would be proposed now is written next to it, to
plan.proposed.json, when that is not what the edited plan was made from.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.models.inventory import Inventory
from uplift.plan import make_plan
from uplift.running import command
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    command.add_required(parser, "inventory", "dataset", writes=("plan",))
    parser.add_argument("--supplied", type=Path, help="a plan or parameter file to use instead")
    parser.add_argument("--settings", type=command.json_argument, default={}, metavar="JSON")
    parser.add_argument("--unsupported", choices=("fail", "skip"), default="fail")
    return command.run_program(parser, _plan, argv)


def _plan(arguments: argparse.Namespace) -> None:
    command.require(isinstance(arguments.settings, dict), "--settings: not a JSON object")
    make_plan(
        json_files.read_model(arguments.inventory, Inventory),
        arguments.plan,
        dataset=arguments.dataset,
        given=arguments.settings,
        supplied=arguments.supplied,
        unsupported=arguments.unsupported,
    )


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
