"""Write the JSON Schemas of the config, the sample sheet and every file between the steps."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from uplift.errors import InputError
from uplift.models import (
    base,
    crate,
    inventory,
    migration,
    plan,
    publication,
    record,
    slices,
    validation,
)
from uplift.running import command
from uplift.settings.columns import SampleTable
from uplift.settings.config import Config

SCHEMAS = Path(__file__).resolve().parents[1] / "workflow" / "schemas"

MODELS: dict[str, type[base.Model]] = {
    "config": Config,
    "sample-table": SampleTable,
    "inventory": inventory.Inventory,
    "plan": plan.Plan,
    "slice": slices.Slice,
    "record": record.Record,
    "crate": crate.CrateRecord,
    "migration": migration.Migration,
    "validation": validation.Validation,
    "claim": publication.Claim,
    "made_from": publication.MadeFrom,
    "unfinished": publication.UnfinishedObjects,
    "published": publication.Published,
    "archive": publication.Archived,
}


def schema_of(name: str) -> dict[str, Any]:
    """JSON Schema of one file."""
    schema = MODELS[name].model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        if "properties" in part:
            part.pop("description", None)  # a docstring: messages quote descriptions
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def text_of(name: str) -> str:
    """Content of ``<name>.schema.json``."""
    return json.dumps(schema_of(name), indent=2, ensure_ascii=False) + "\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Run the program; see the module's docstring."""
    parser = command.parser_for(__doc__ or "")
    parser.add_argument("--folder", type=Path, default=SCHEMAS)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when one differs")
    return command.run_program(parser, _export, argv)


def _export(arguments: argparse.Namespace) -> None:
    for name in MODELS:
        path = arguments.folder / f"{name}.schema.json"
        if path.is_file() and path.read_text(encoding="utf-8") == text_of(name):
            continue
        if arguments.check:
            raise InputError(f"{path}: differs from the models; run make schemas")
        path.write_text(text_of(name), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
