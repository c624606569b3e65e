"""Convert one dataset without knowing Snakemake: options of a command line become Snakemake's.

The columns of the sample sheet are options. Options that mean the same as those of the OME 2024
NGFF challenge's ``ome2024-ngff-challenge resave`` have the same names.
"""

import argparse
import difflib
import itertools
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NoReturn

from uplift.errors import UsageError
from uplift.models.base import description_of
from uplift.models.inventory import Inventory
from uplift.models.plan import Plan
from uplift.running import command
from uplift.settings.columns import COLUMNS, Columns
from uplift.settings.mistakes import MistakesError, parse_all
from uplift.settings.samples import dataset_of_input
from uplift.work import json_files
from uplift.work.folder import WorkFolder

SNAKEFILE = Path(__file__).resolve().parents[3] / "Snakefile"
_POSITIONAL = ("input", "output", "plan")
_SHORT = 60
"""Longest description that may be repeated in the help, in characters."""
_LIKE = {
    "name": "rocrate-name",
    "description": "rocrate-description",
    "license": "rocrate-license",
    "organism": "rocrate-organism",
    "modality": "rocrate-modality",
    "notes": "conversion-notes",
    "chunks": "output-chunks",
    "shards": "output-shards",
}
"""Names of the columns in the challenge's tool."""


class _Parser(argparse.ArgumentParser):
    """Names the nearest option where one is misspelled."""

    def error(self, message: str) -> NoReturn:
        wrong = next((word for word in message.split() if word.startswith("--")), "")
        near = difflib.get_close_matches(wrong.partition("=")[0], self._option_string_actions, 1)
        hint = f"; did you mean {near[0]}?" if message.startswith("unrecognized") and near else ""
        super().error(f"{message}{hint}")


def resave_parser(doc: str) -> argparse.ArgumentParser:
    """Options: what to do, the columns of the sheet, object stores, and the challenge's own."""
    parser = _Parser(
        usage="%(prog)s input output [options, which --help lists] [-- options of snakemake]",
        description=doc,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("input", help="folder, archive or URL of the OME-Zarr 0.1-0.5 dataset")
    parser.add_argument("output", help="folder or URL to write")
    # with a default it is not called required
    parser.add_argument(
        "snakemake", nargs="*", default=[], help="after --: targets and options of snakemake"
    )
    doing = parser.add_argument_group("what to do").add_mutually_exclusive_group()
    doing.add_argument(
        "--plan",
        action="store_true",
        help="propose chunks and shards, show what the conversion takes, and stop: edit plan.json",
    )
    doing.add_argument("--dry-run", "-n", action="store_true", help="list the jobs, do nothing")
    doing.add_argument(
        "--output-write-details",
        action="store_true",
        help="as --plan, and write shape, chunks and shards of the arrays as JSON to OUTPUT",
    )
    again = parser.add_argument_group("again (the same command, with one of these)")
    again.add_argument("--unlock", action="store_true", help="after Snakemake itself was killed")
    again.add_argument(
        "-R",
        "--forcerun",
        action="append",
        default=[],
        metavar="STEP",
        help="do this step again, such as inspect_source or validate; may be repeated",
    )
    again.add_argument("-F", "--forceall", action="store_true", help="do all steps again")
    _add_columns(parser.add_argument_group("the dataset (columns of the sample sheet)"))
    stores = parser.add_argument_group("object stores (credentials: environment, AWS profiles)")
    for side in ("input", "output"):
        stores.add_argument(f"--{side}-bucket", metavar="NAME", help=f"{side} is a key in it")
        stores.add_argument(f"--{side}-endpoint", metavar="URL", help="of an S3 service")
        stores.add_argument(f"--{side}-region", metavar="NAME")
        stores.add_argument(f"--{side}-anon", action="store_true", help="public: no credentials")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--output-overwrite", action="store_true", help="empty an output that is another dataset's"
    )
    how.add_argument("--rocrate-skip", action="store_true", help="write no RO-Crate")
    how.add_argument("--cores", default="all", help="of this machine to use (all)")
    how.add_argument("--threads", "--output-threads", type=int, help="of one job at most")
    how.add_argument("--results", metavar="FOLDER", help="for work files, logs, report (results)")
    how.add_argument(
        "--config",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="any other key of the config (config/config.yaml lists them); may be repeated",
    )
    levels = ("error", "warn", "info", "debug", "trace")
    how.add_argument("--log", choices=levels, default="info", help="debug: all Snakemake says")
    how.add_argument("--output-script", action="store_true", help=argparse.SUPPRESS)
    return parser


def _add_columns(group: Any) -> None:
    said: dict[str, str] = {}
    for column in COLUMNS:
        if column in _POSITIONAL:
            continue
        names = [f"--{column.replace('_', '-')}"]
        names += [f"--{_LIKE[column]}"] if column in _LIKE else []
        field = Columns.model_fields[column]
        what = description_of(field)
        if what and what in said and len(what) > _SHORT:
            what = f"as {said[what]}"
        said.setdefault(what or "", names[0])
        text = ": ".join(part for part in (field.title, what) if part)
        group.add_argument(*names, dest=column, metavar="TEXT", help=text.replace("%", "%%"))
    group.add_argument(
        "--plan-file",
        "--output-read-details",
        dest="plan_file",
        metavar="FILE",
        help="a plan, or a parameter file of the challenge's tool, to use",
    )


def run(arguments: argparse.Namespace) -> int:
    """Run snakemake as the options say, and return its exit code.

    Raises
    ------
    UsageError
        Options that contradict each other, or that have no meaning here.
    MistakesError
        Values that the sheet would not accept, one line each.
    """
    if arguments.output_script:
        raise UsageError("--output-script: no scripts are written here; --plan shows what is done")
    if arguments.snakemake:
        raise UsageError(f"{arguments.snakemake[0]!r}: a third location; put texts into quotes")
    targets = [*itertools.takewhile(lambda word: not word.startswith("-"), arguments.handed_on)]
    options = arguments.handed_on[len(targets) :]
    if arguments.plan or arguments.output_write_details:
        targets.append("plans")
    words = [sys.executable, "-m", "snakemake", *targets, "--snakefile", str(SNAKEFILE)]
    words += ["--cores", arguments.cores, *(["--dry-run"] if arguments.dry_run else [])]
    words += ["--unlock"] if arguments.unlock else ["--forceall"] if arguments.forceall else []
    words += ["--forcerun", *arguments.forcerun] if arguments.forcerun else []
    words += options
    words += ["--config", *_config(arguments)]
    with subprocess.Popen(words) as process:
        # it ends its jobs in order
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        while True:
            try:
                code = process.wait()
                break
            except KeyboardInterrupt:  # snakemake got it too
                continue
        signal.signal(signal.SIGTERM, before)
    if code == 0 and arguments.output_write_details:
        _write_details(arguments)
    return 0 if code == 0 else 1


def _config(arguments: argparse.Namespace) -> Iterator[str]:
    """``key=value`` arguments; spaces around JSON keep texts as they are."""
    texts: dict[str, str | None] = {**_columns(arguments), "results": arguments.results}
    switches = {"overwrite=true": arguments.output_overwrite}
    for side in ("input", "output"):
        for key in ("endpoint", "region"):
            texts[f"{side}_{key}"] = getattr(arguments, f"{side}_{key}")
        switches[f"{side}_anon=true"] = getattr(arguments, f"{side}_anon")
    switches["crate={enabled: false}"] = arguments.rocrate_skip
    switches[f"threads={arguments.threads}"] = arguments.threads is not None
    switches["console=snakemake"] = arguments.log in ("debug", "trace")
    for key, value in texts.items():
        if value is not None:
            yield f"{key}= {json.dumps(value, ensure_ascii=False)} "
    yield from (text for text, given in switches.items() if given)
    for text in arguments.config:
        key, _, value = text.partition("=")
        if not key.isidentifier() or not value:
            raise UsageError(
                f"--config {text}: not KEY=VALUE; a key inside another goes into braces, as in "
                "--config 'planning={min_shards: 32}'"
            )
        yield text


def _columns(arguments: argparse.Namespace) -> dict[str, str]:
    """The columns that were given, checked as the sheet's are."""
    given = {
        "input": _url_of(arguments.input, arguments.input_bucket),
        "output": _url_of(arguments.output, arguments.output_bucket),
        "plan": arguments.plan_file,
        **{key: getattr(arguments, key) for key in COLUMNS if key not in _POSITIONAL},
    }
    if arguments.output_write_details:
        del given["output"]  # a file; nothing is converted
    columns = {key: value for key, value in given.items() if value is not None}
    _, mistakes = parse_all(Columns, columns)
    if mistakes:
        raise MistakesError([f"{_option(str(keys[0]))}: {text}" for keys, text in mistakes])
    return columns


def _option(column: str) -> str:
    if column == "plan":
        return "--plan-file"
    return column if column in _POSITIONAL else f"--{column.replace('_', '-')}"


def _url_of(path: str, bucket: str | None) -> str:
    return path if bucket is None else f"s3://{bucket}/{path.lstrip('/')}"


def _write_details(arguments: argparse.Namespace) -> None:
    """Write the proposal in the form of the challenge's parameter file.

    For a single image a list by level, which its tool reads; else a mapping by path.
    """
    columns = _columns(arguments)
    dataset = columns.get("dataset") or dataset_of_input(columns["input"])
    work = WorkFolder(Path(arguments.results or "results", dataset))
    plan = json_files.read_model(work.plan, Plan)
    inventory = json_files.read_model(work.inventory, Inventory)
    images = [group.path for group in inventory.groups if "image" in group.roles]
    levels = {
        array.path
        for array in inventory.arrays
        if array.role == "level" and array.multiscale in images[:1]
    }
    entries = {
        array.path: {
            "shape": list(array.shape),
            "chunks": list(array.chunks),
            "shards": list(array.shards or array.chunks),
        }
        for array in plan.arrays
    }
    single = len(images) == 1 and entries.keys() == levels
    Path(arguments.output).write_text(
        json.dumps(list(entries.values()) if single else entries, indent=2) + "\n", encoding="utf-8"
    )


def main(doc: str, argv: Sequence[str] | None) -> int:
    """Parse, run; 0: done, 1: refused or failed, 2: usage."""
    codes = [0]

    def body(arguments: argparse.Namespace) -> None:
        try:
            codes.append(run(arguments))
        except MistakesError as error:
            sys.stderr.writelines(f"error: {line}\n" for line in error.lines)
            codes.append(1)

    words = sys.argv[1:] if argv is None else [*argv]
    # by hand: argparse takes what follows options for options that it does not know
    end = words.index("--") if "--" in words else len(words)
    parser = resave_parser(doc)
    parser.set_defaults(quiet=False, handed_on=words[end + 1 :])
    return command.run_program(parser, body, words[:end]) or codes[-1]
