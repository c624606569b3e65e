"""Take the output place for this run: write the lock there, hide what an earlier run published.

Refuses a place that another run holds, or that holds a dataset this run did not start (unless
``--overwrite true``, which empties it).
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from uplift.claim import claim_output
from uplift.crate import check_license
from uplift.models.publication import Published
from uplift.running import command
from uplift.storage import open_store
from uplift.work import json_files


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--source", required=True, help="URL or folder of the source")
    parser.add_argument("--run", type=Path, required=True, help="run.json")
    parser.add_argument("--output", required=True, help="URL or folder of the output")
    parser.add_argument("--claim", type=Path, required=True, help="claim.json to write")
    parser.add_argument("--overwrite", default="false", choices=("true", "false"), type=str.lower)
    parser.add_argument("--published", type=Path, help="published.json of an earlier run, if any")
    parser.add_argument("--license", help="refused if more permissive than the source's own")
    command.add_storage(parser)
    return command.run_program(parser, _claim, argv)


def _claim(arguments: argparse.Namespace) -> None:
    if arguments.license is not None:
        check_license(open_store(arguments.source, arguments.storage), arguments.license)
    run_id = str(json_files.read_json(arguments.run)["run_id"])
    published = arguments.published
    known = None
    if published is not None and published.is_file():
        known = json_files.read_model(published, Published)
    claimed = claim_output(
        arguments.output,
        arguments.storage,
        run_id,
        arguments.run.parent,
        source_url=arguments.source,
        overwrite=arguments.overwrite == "true",
        known=known,
    )
    asked = claimed.model_copy(update={"asked": arguments.output})
    json_files.write_json(arguments.claim, asked)


if __name__ == "__main__":
    from uplift.workflow import job

    sys.exit(job.run(main))
