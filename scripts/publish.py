"""Publish a dataset: write its root ``zarr.json``, last of all and only when it is valid."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.batches import inputs
from uplift.models.record import Record
from uplift.models.validation import Validation
from uplift.outputs import MANIFEST_KEY, hold
from uplift.publish import publish_dataset, total_cost
from uplift.running import command
from uplift.storage import display_url
from uplift.storage.addresses import web_url
from uplift.work import json_files, ledger
from uplift.work.folder import WorkFolder
from uplift.work.unfinished import noted_unfinished


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    read = ("validation", "root", "claim", "run", "output")
    command.add_required(parser, *read, writes=("published",))
    parser.add_argument("--records", type=Path, required=True, help="folder of the records")
    parser.add_argument("--slices", type=command.json_argument, required=True, metavar="JSON")
    parser.add_argument("--validate-command", required=True, help="shown when it is invalid")
    parser.add_argument("--manifest", type=Path, help="manifest.sha256 to publish too")
    command.add_storage(parser)
    return command.run_program(parser, _publish, argv)


def _publish(arguments: argparse.Namespace) -> None:
    output = hold(arguments.output, arguments.claim, arguments.storage)
    validation = json_files.read_model(arguments.validation, Validation)
    slices = inputs.read_slices(arguments.slices)
    cost = total_cost(
        json_files.read_model(arguments.records / f"{batch}.json", Record)
        for one in slices
        for batch in one.batches
    )
    work = WorkFolder(arguments.published.parent)
    has_old_manifest = (
        arguments.manifest is None
        and work.manifest.is_file()  # else it is not asked for: that is a request
        and work.is_own_manifest(output.get(MANIFEST_KEY))
    )
    jobs = ledger.read(work.path / ledger.NAME)
    published = publish_dataset(
        output,
        arguments.root.read_bytes(),
        validation,
        cost,
        validate_command=arguments.validate_command,
        was_published=any((job.step, job.exit_code) == ("publish", 0) for job in jobs),
        manifest=None if arguments.manifest is None else arguments.manifest.read_bytes(),
        has_old_manifest=has_old_manifest,
        unfinished=noted_unfinished(work),
        web_url=web_url(display_url(arguments.output), arguments.storage, as_reached=True),
    )
    json_files.write_json(arguments.published, published)
    if has_old_manifest:
        work.manifest.unlink()
    output.release()


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
