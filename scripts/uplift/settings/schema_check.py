"""Check JSON data against an exported schema and say every mistake in one line."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from uplift.errors import InputError
from uplift.models.base import nearest, place_of

SCHEMAS = Path(__file__).resolve().parents[3] / "workflow" / "schemas"


class MistakesError(InputError):
    """Several mistakes at once, one line each."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


def load_schema(name: str) -> dict[str, Any]:
    """Read ``workflow/schemas/<name>.schema.json``."""
    schema: dict[str, Any] = json.loads((SCHEMAS / f"{name}.schema.json").read_text("utf-8"))
    return schema


def mistakes(
    data: object, schema: Mapping[str, Any]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield (path inside `data`, message) for every mistake, in the order of the document.

    A field's ``description`` must read on after "is not": it is what the message says.
    """
    found = sorted(
        Draft202012Validator(schema).iter_errors(data),
        key=lambda error: [str(part) for part in error.absolute_path],
    )
    for error in found:
        place = tuple(error.absolute_path)
        if error.validator == "additionalProperties":
            known = sorted(error.schema["properties"])
            for key in sorted(set(error.instance) - set(known)):
                yield (*place, key), f'unknown key "{key}"{nearest(key, known)}'
        elif error.validator == "required":
            # jsonschema reports one error for each absent key, and names it in the message alone
            key = error.message.partition(" is a required")[0].strip("'")
            yield (*place, key), f"missing; give {_meaning(error, key)}"
        else:
            yield place, _wrong_value(error)


def place_text(place: tuple[str | int, ...]) -> str:
    """Spell a place in a document the way users write it."""
    return place_of(place)


def _wrong_value(error: ValidationError) -> str:
    shown = json.dumps(error.instance, ensure_ascii=False, default=str)
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    described = error.schema.get("description")
    if described is None and error.parent is not None:
        described = error.parent.schema.get("description")
    if error.validator in ("enum", "const"):
        values = error.validator_value
        known = [str(value) for value in (values if error.validator == "enum" else [values])]
        return f"{shown} is not one of {', '.join(known)}{_did_you_mean(error.instance, known)}"
    if described:
        return f"{shown} is not {described}"
    if error.validator == "type" and error.validator_value == "object":
        return f"{shown} is not a mapping"
    return str(error.message)


def _did_you_mean(value: object, known: list[str]) -> str:
    hint = nearest(str(value), known)
    return hint if hint.startswith("; did") else ""


def _meaning(error: ValidationError, key: str) -> str:
    described = error.schema.get("properties", {}).get(key, {}).get("description")
    return str(described) if described else f'"{key}"'
