"""Print the table of all plans in force, with what carrying them out takes; also to plans.txt.

`snakemake plans` ends with it. Nothing is planned here, and nothing converted.
"""

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.errors import UpliftError
from uplift.models.inventory import Inventory
from uplift.plan import plan_as_it_stands
from uplift.planning.table import as_text, rows_of
from uplift.settings.columns import SampleTable
from uplift.work import json_files
from uplift.work.folder import WorkFolder

log = logging.getLogger("uplift")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--results", type=Path, required=True, help="folder of the work files")
    parser.add_argument("--samples", type=Path, required=True, help="samples.json of the run")
    return command.run_program(parser, _plans, argv)


def _plans(arguments: argparse.Namespace) -> None:
    plans = []
    for sample in json_files.read_model(arguments.samples, SampleTable).samples:
        work = WorkFolder(arguments.results / sample.dataset)
        if not work.plan.is_file() or not work.inventory.is_file():
            continue
        try:
            inventory = json_files.read_model(work.inventory, Inventory)
            plans.append(plan_as_it_stands(inventory, work.plan, sample.dataset))
        except UpliftError as error:
            log.warning("%s: %s", sample.dataset, error)
    text = as_text(rows_of(plans)) + "\n"
    json_files.write_text(arguments.results / "plans.txt", text)
    sys.stdout.write(text)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
