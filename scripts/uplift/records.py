"""Read and write the JSON files between the steps: atomic, fixed key order, shapes on one line."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, TypeVar

from uplift.errors import InputError
from uplift.models.base import Model

M = TypeVar("M", bound=Model)

_REMEDY = "mend it, or delete it and run again"


def canonical_json(value: object) -> str:
    """Compact JSON with sorted keys: the form that digests are made of."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def sha256_of_json(value: object) -> str:
    """Hex SHA-256 of :func:`canonical_json`."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def readable_json(value: object, indent: int = 0) -> str:
    """JSON for people: two-space indent, lists of numbers or short strings on one line."""
    pad, inner = "  " * indent, "  " * (indent + 1)
    if isinstance(value, dict) and value:
        rows = [
            f"{inner}{json.dumps(str(key), ensure_ascii=False)}: {readable_json(item, indent + 1)}"
            for key, item in value.items()
        ]
        return "{\n" + ",\n".join(rows) + "\n" + pad + "}"
    if isinstance(value, (list, tuple)) and value:
        if all(not isinstance(item, (dict, list, tuple)) for item in value):
            return json.dumps(list(value), ensure_ascii=False)
        rows = [inner + readable_json(item, indent + 1) for item in value]
        return "[\n" + ",\n".join(rows) + "\n" + pad + "]"
    return json.dumps(value, ensure_ascii=False)


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name in the same folder, sync it, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Model | dict[str, Any]) -> None:
    """Write a record atomically in readable form with a final newline."""
    data = value.to_json() if isinstance(value, Model) else value
    write_text(path, readable_json(data) + "\n")


def read_json(path: Path) -> Any:
    """Decode one JSON file.

    Raises
    ------
    InputError
        The file is absent or is not JSON; the message gives line and column.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; run the step that writes it first") from None
    except json.JSONDecodeError as error:
        raise InputError(
            f"{path}: not JSON: {error.msg} at line {error.lineno}, column {error.colno}; {_REMEDY}"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text at byte {error.start}; {_REMEDY}") from None


def read_model(path: Path, model: type[M]) -> M:
    """Decode one JSON file into `model` (errors name the file and the key)."""
    return model.parse(read_json(path), str(path))
