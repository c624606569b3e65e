"""Convert a slice of the batches: pack (or decode and encode) source chunks, validate at once.

Batches that are done as they are planned now are kept. Killed, it goes on from its journals when
it is run again.
"""

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.batches import inputs
from uplift.batches.context import Locations, Settings
from uplift.batches.converting import convert_batches
from uplift.batches.outdated import PlanInForce
from uplift.batches.space import space_for
from uplift.models.inventory import Inventory
from uplift.models.slices import Slice
from uplift.running import command
from uplift.validate import pixels
from uplift.work import json_files
from uplift.work.folder import WorkFolder

prepare = pixels.import_readers


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    inputs.add_arguments(parser)
    command.add_required(parser, "claim", writes=("slice",))
    parser.add_argument("--work", type=Path, required=True, help="folder for records and journals")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--on-bad-chunk", choices=("fail", "fill"), default="fail")
    parser.add_argument("--verify", choices=("once", "reread"), default="once")
    command.add_switch(parser, "--manifest")
    parser.add_argument("--on-little-space", choices=("fail", "warn"), default="fail")
    parser.add_argument("--durability", choices=("fsync", "none"), default="fsync")
    command.add_storage(parser)
    return command.run_program(parser, _convert, argv)


def _convert(arguments: argparse.Namespace) -> None:
    name = re.fullmatch(r"([1-9]\d*)-of-([1-9]\d*)\.json", arguments.slice.name)
    command.require(name is not None, f"--slice: {arguments.slice} is not named <k>-of-<K>.json")
    number, count = (int(part) for part in name.groups()) if name else (1, 1)
    plan_sha256 = json_files.file_sha256(arguments.plan)
    inventory = json_files.read_model(arguments.inventory, Inventory)
    plan = inputs.in_force(arguments, inventory)
    work = WorkFolder(arguments.work)
    for warning in plan.warnings if number == 1 else ():
        command.log.warning("%s", warning)
    if plan.edited:
        json_files.keep_backup(arguments.plan)
    in_force = PlanInForce(work, plan.sha256)
    in_force.begin(plan.batches)
    sides = inventory.source, arguments.output, arguments.claim
    locations = Locations(*sides, arguments.storage, arguments.durability)
    settings = Settings(
        fill_bad_chunks=arguments.on_bad_chunk == "fill",
        verify=arguments.verify,
        with_sums=arguments.manifest,
    )
    batches = plan.slice(number, count)
    warn = arguments.on_little_space == "warn"
    cores, refuse = max(1, arguments.threads), in_force.refuse_other
    with space_for(batches, plan.batches, work, arguments.output, warn=warn):
        convert_batches(batches, work, locations, settings, cores=cores, refuse_outdated=refuse)
    done = Slice(
        dataset=arguments.dataset,
        output=arguments.output,
        number=number,
        count=count,
        batches=tuple(batch.batch for batch in batches),
        in_force_sha256=plan.sha256,
        plan_sha256=plan_sha256,
        estimate=plan.estimate,
        skipped=dict(plan.skipped),
    )
    json_files.write_json(arguments.slice, done)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
