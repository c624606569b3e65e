"""Make the report on all datasets: ``report.html``, ``catalog.csv`` and previews.

Made from the work files that exist, after every run of the workflow and by ``snakemake report``.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift import command
from uplift.report.catalog import write_catalog
from uplift.report.facts import gather
from uplift.report.page import write_page
from uplift.report.preview import update_previews
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
    facts = gather(table.samples, arguments.results)
    if arguments.previews == "true":
        update_previews(facts, arguments.storage)
    write_catalog(facts, arguments.results / "catalog.csv")
    write_page(facts, arguments.results / "report.html")


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main, globals().get("snakemake")))
