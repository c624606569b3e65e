"""Pack a published dataset into one ``.ozx`` file next to it (RFC-9 of OME-Zarr)."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.archive import ozx
from uplift.models.publication import Archived
from uplift.running import command
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    command.add_required(parser, "output", writes=("archive",))
    parser.add_argument("--published", type=Path, help="published.json; not read: it says when")
    command.add_switch(parser, "--overwrite")
    parser.add_argument("--on-little-space", choices=("fail", "warn"), default="fail")
    command.add_storage(parser)
    return command.run_program(parser, _archive, argv)


def _archive(arguments: argparse.Namespace) -> None:
    before = arguments.archive
    archived = ozx.archive_dataset(
        arguments.output,
        arguments.storage,
        overwrite=arguments.overwrite,
        before=json_files.read_model(before, Archived) if before.is_file() else None,
        warn_of_space=arguments.on_little_space == "warn",
    )
    json_files.write_json(arguments.archive, archived)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
