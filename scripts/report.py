"""Make the report on all datasets: ``report.html``, the catalog, ``costs.csv`` and previews.

Made from the work files that exist, after every run of the workflow and by ``snakemake report``.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from uplift.models.site import SiteCosts
from uplift.report import page, stamps
from uplift.report.catalog import catalog_row, cost_rows, write_catalog, write_costs
from uplift.report.details import details_of
from uplift.report.explanations import explain
from uplift.report.facts import datasets_of, facts_of
from uplift.report.preview import update_preview
from uplift.report.remembered import Entry, Remembered
from uplift.running import command
from uplift.settings.columns import Sample, SampleTable
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--results", type=Path, required=True, help="folder of the work files")
    parser.add_argument("--samples", type=Path, required=True, help="samples.json of the run")
    command.add_switch(parser, "--previews", default=True)
    parser.add_argument("--costs", type=command.json_argument, default={}, metavar="JSON")
    parser.add_argument("--last-line", action="store_true", help="print the states and the path")
    command.add_storage(parser)
    return command.run_program(parser, _report, argv)


def prepare() -> None:
    """Make what every report of a run needs, once for all."""
    page.template()
    explain("")
    for model in (SampleTable, SiteCosts):
        model.model_rebuild()


def _report(arguments: argparse.Namespace) -> None:
    table = json_files.read_model(arguments.samples, SampleTable)
    folder, storage = arguments.results, arguments.storage
    limits = page.limits_for(len(table.samples))
    prices = SiteCosts.parse(arguments.costs, "--costs")
    about = [arguments.previews, storage, limits, str(folder.absolute()), prices.to_json()]
    remembered = Remembered(folder, about)

    def entry_of(work: Path, sample: Sample | None) -> Entry:
        facts = facts_of(work, sample, prices)
        if arguments.previews and update_preview(facts, storage):
            remembered.stamp(work, sample)
            facts = facts_of(work, sample, prices)
        details = details_of(facts, storage, folder, limits)
        return Entry(page.row_of(facts), details, catalog_row(facts, storage), cost_rows(facts))

    entries = [
        remembered.entry(work, sample, partial(entry_of, work, sample))
        for work, sample in datasets_of(table.samples, folder)
    ]
    write_catalog([one.catalog for one in entries], folder)
    write_costs([line for one in entries for line in one.costs], folder)
    file, listed = folder / stamps.PAGE, {sample.dataset for sample in table.samples}
    states = Counter(one.row.state for one in entries if one.row.dataset in listed)
    line = page.last_line(states, file)
    # whether a job still runs is in no file: such a report is made again by every run
    is_lasting = not any(one.row.state == "running" for one in entries)
    options = [arguments.previews, storage, arguments.costs]
    page.write_page(
        [one.row for one in entries],
        [one.details for one in entries],
        file,
        prices.currency,
        made_from=stamps.made_from(folder, options, remembered.stamps) if is_lasting else "",
        last_line=line,
    )
    remembered.write()
    if arguments.last_line:
        sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
