"""Make the report on all datasets: ``report.html``, the catalog, ``costs.csv`` and previews.

Made from the work files that exist, after every run of the workflow and by ``snakemake report``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.report.catalog import catalog_row, cost_rows, write_catalog, write_costs
from uplift.report.details import details_of
from uplift.report.facts import facts_of, gather
from uplift.report.page import limits_for, row_of, write_page
from uplift.report.preview import update_preview
from uplift.settings.columns import SampleTable
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--results", type=Path, required=True, help="folder of the work files")
    parser.add_argument("--samples", type=Path, required=True, help="samples.json of the run")
    parser.add_argument("--previews", default="true", choices=("true", "false"))
    command.add_storage(parser)
    return command.run_program(parser, _report, argv)


def _report(arguments: argparse.Namespace) -> None:
    table = json_files.read_model(arguments.samples, SampleTable)
    folder, storage = arguments.results, arguments.storage
    limits = limits_for(len(table.samples))
    catalog, costs, rows, details = [], [], [], []
    for found in gather(table.samples, folder):
        changed = arguments.previews == "true" and update_preview(found, storage)
        facts = facts_of(found.folder, found.asked) if changed else found
        catalog.append(catalog_row(facts, storage))
        costs += cost_rows(facts)
        rows.append(row_of(facts))
        details.append(details_of(facts, storage, folder, limits))
    write_catalog(catalog, folder)
    write_costs(costs, folder)
    write_page(rows, details, folder / "report.html")


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
