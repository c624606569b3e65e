"""Print the table of all plans in force, with what carrying them out takes; also to plans.txt.

`snakemake plans` ends with it. Nothing is planned here, and nothing converted. Rates are fitted to
the datasets of the results folder that were converted already. An edited plan that cannot be
carried out is an error in one line, and the others make the table all the same.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from uplift.errors import UpliftError
from uplift.models.inventory import Inventory
from uplift.models.site import SiteCosts
from uplift.models.words import counted
from uplift.outputs.space import file_system_of
from uplift.plan import current_plan
from uplift.planning.loads import load_of_plan
from uplift.planning.rates import calibrated
from uplift.planning.table import Planned, as_text, rows_of
from uplift.running import command
from uplift.settings.columns import Sample, SampleTable
from uplift.storage import is_local
from uplift.work import json_files
from uplift.work.folder import WorkFolder
from uplift.workflow import slices, space
from uplift.workflow.campaign import finished_runs


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--results", type=Path, required=True, help="folder of the work files")
    parser.add_argument("--samples", type=Path, required=True, help="samples.json of the run")
    parser.add_argument("--cores", type=int, default=1, help="that all jobs together use")
    parser.add_argument("--threads", type=int, default=16, help="of one job at most")
    command.add_switch(parser, "--ozx")
    parser.add_argument("--costs", type=command.json_argument, default={}, metavar="JSON")
    text = "names of datasets of which it was said already that they failed"
    parser.add_argument(
        "--failed", type=command.json_argument, default=[], metavar="JSON", help=text
    )
    wrong: list[str] = []
    code = command.run_program(parser, lambda arguments: wrong.extend(_plans(arguments)), argv)
    return code or (1 if wrong else 0)


def _plans(arguments: argparse.Namespace) -> list[str]:
    """Print the table; datasets whose plans are not in it, since they cannot be carried out."""
    costs = SiteCosts.parse(arguments.costs, "--costs")
    archive = arguments.ozx
    samples = json_files.read_model(arguments.samples, SampleTable).samples
    planned, wrong = [], []
    for sample in samples:
        work = WorkFolder(arguments.results / sample.dataset)
        if not work.plan.is_file() or not work.inventory.is_file():
            continue
        try:
            planned.append(_planned(work, sample, arguments, archive=archive))
        except UpliftError as error:
            wrong.append(sample.dataset)
            if sample.dataset not in arguments.failed:
                sys.stderr.write(f"error: {sample.dataset}: {' '.join(str(error).split())}\n")
    runs = list(finished_runs(arguments.results))
    rows = rows_of(planned, calibrated(runs), costs, arguments.cores)
    lines = [as_text(rows, costs.currency if costs.known() else None)] if rows else []
    lines += _notes(samples, arguments, len(runs), archive=archive)
    table = arguments.results / "plans.txt"
    which = samples[0].dataset if len(samples) == 1 else "<dataset>"
    lines.append(f"Plans: {arguments.results}/{which}/plan.json; this table: {table}")
    text = "\n".join(lines) + "\n"
    json_files.write_text(table, text)
    sys.stdout.write(text)
    return wrong


def _planned(
    work: WorkFolder, sample: Sample, arguments: argparse.Namespace, *, archive: bool
) -> Planned:
    inventory = json_files.read_model(work.inventory, Inventory)
    plan, warnings = current_plan(inventory, work.plan, sample.dataset)
    sys.stderr.writelines(f"warning: {sample.dataset}: {line}\n" for line in warnings)
    count = slices.slice_count(work, sample.jobs)
    stored = plan.estimate.before.bytes if plan.estimate is not None else 0
    threads = min(arguments.threads, slices.cores_for(stored, len(plan.arrays)))
    load = load_of_plan(plan, inventory, count, threads=threads, archive=archive)
    file_system = file_system_of(sample.output)
    return Planned(
        plan,
        load,
        min(arguments.cores, count * threads),
        is_local(sample.input) and file_system is not None,
        space.needed_by(work, sample, archive=archive) if file_system is not None else None,
        file_system.free if file_system is not None else None,
    )


def _notes(
    samples: Sequence[Sample], arguments: argparse.Namespace, runs: int, *, archive: bool
) -> Iterator[str]:
    """Too little space, and where the rates come from."""
    for shared in space.shared_by(samples, str(arguments.results), archive=archive):
        if line := shared.little():
            yield f"warning: {line}"
    of = f"of {counted(runs, 'dataset')} converted here" if runs else "of a core of 2.5 GHz"
    yield f"Time, CPU and requests by rates {of}, with {counted(arguments.cores, 'core')}"


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
