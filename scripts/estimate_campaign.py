"""Predict what a campaign takes: jobs, node hours, requests, objects, days and money.

What is to be converted is known from plans (``--plans results``, after ``snakemake plans``) or from
a sheet of kinds of datasets (``--kinds kinds.csv``, one line a kind). Rates are fitted to the
ledgers of datasets that were converted already (``--measured results``); without any, they are
those of a core of 2.5 GHz and a local disk. The output says which rates the records decided.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from uplift.errors import InputError
from uplift.models.site import Prices
from uplift.planning.campaign import Site, campaign_of
from uplift.planning.rates import calibrated
from uplift.running import command
from uplift.work import ledger
from uplift.workflow.campaign import (
    COLUMNS,
    finished_runs,
    loads_of_kinds,
    planned_loads,
    table_of,
)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--plans", type=Path, help="folder of the work files of planned datasets")
    parser.add_argument("--kinds", type=Path, help=f"CSV: {', '.join(COLUMNS)}, method")
    parser.add_argument("--measured", type=Path, action="append", default=[], metavar="FOLDER")
    parser.add_argument("--nodes", type=_count, default=1, help="at once")
    parser.add_argument("--cores", type=_count, default=16, help="of a node")
    parser.add_argument("--megabytes-per-second", type=_count, default=125, help="of all nodes")
    parser.add_argument("--request-ms", type=_time, default=0.0, help="to the first byte")
    parser.add_argument("--requests-at-once", type=_count, default=256, help="over all jobs")
    parser.add_argument(
        "--start-seconds",
        type=_time,
        metavar="S",
        help="of a job of a cluster until its first step begins, on SLURM about 5; without: all "
        "steps are jobs of one computer",
    )
    names = ", ".join(Prices.model_fields)
    parser.add_argument(
        "--prices", type=command.json_argument, default={}, metavar="JSON", help=f"of {names}"
    )
    parser.add_argument("--json", action="store_true", help="write JSON in place of a table")
    return command.run_program(parser, _estimate, argv)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _time(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = -1.0
    if not 0 <= found < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a time of 0 or more")
    return found


def _estimate(arguments: argparse.Namespace) -> None:
    command.require(bool(arguments.plans or arguments.kinds), "give --plans or --kinds")
    unknown = set(arguments.prices) - set(Prices.model_fields)
    command.require(not unknown, f"--prices: unknown: {', '.join(sorted(unknown))}")
    loads = list(planned_loads(arguments.plans)) if arguments.plans else []
    loads += loads_of_kinds(arguments.kinds) if arguments.kinds else []
    if not loads and arguments.kinds:
        raise InputError(f"{arguments.kinds}: has no kind of dataset; write a line for each")
    if not loads:
        raise InputError(f"{arguments.plans}: no plan there has an estimate; run snakemake plans")
    for folder in arguments.measured:
        if not any(folder.glob(f"*/{ledger.NAME}")):
            raise InputError(f"{folder}: no dataset was converted there; give a results folder")
    runs = [run for folder in arguments.measured for run in finished_runs(folder)]
    site = Site(
        nodes=arguments.nodes,
        cores=arguments.cores,
        bytes_per_second=arguments.megabytes_per_second * 1e6,
        request_seconds=arguments.request_ms / 1000,
        at_once=arguments.requests_at_once,
        start_seconds=arguments.start_seconds,
        prices=Prices.parse(arguments.prices, "--prices"),
    )
    rates = calibrated(runs)
    found = campaign_of(loads, rates, site)
    if arguments.json:
        data = {**asdict(found), "days": found.days, "rates": rates.rates, "runs": len(runs)}
        data["fitted"] = sorted(rates.fitted)
        data["outside"] = rates.outside(loads)
        data["from_disk"] = rates.from_disk
        sys.stdout.write(json.dumps(data, indent=2) + "\n")
    else:
        sys.stdout.write("".join(f"{line}\n" for line in table_of(found, len(runs), rates, loads)))


if __name__ == "__main__":
    sys.exit(main())
