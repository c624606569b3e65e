"""Read and write the JSON files between the steps: atomic, fixed key order, shapes on one line."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

from uplift.errors import InputError
from uplift.models.base import Model
from uplift.models.json_text import readable_json, sha256_of

M = TypeVar("M", bound=Model)

_REMEDY = "repair it, or delete it and run again"


def write_text(path: Path, text: str) -> None:
    """Write a text file; see :func:`write_bytes`."""
    write_bytes(path, [text.encode()])


def write_bytes(path: Path, pieces: Iterable[bytes]) -> None:
    """Write a file under a temporary name in the same folder, sync it, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # process ids repeat: other containers, other nodes
    temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.writelines(pieces)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Model | dict[str, Any]) -> None:
    """Write a record atomically in readable form with a final newline."""
    data = value.to_json() if isinstance(value, Model) else value
    write_text(path, readable_json(data) + "\n")


def keep_backup(path: Path) -> None:
    """Copy a file to ``<name>~``, which Snakemake does not know and never deletes."""
    backup = path.with_name(f"{path.name}~")
    text = path.read_text(encoding="utf-8")
    if not backup.is_file() or backup.read_text(encoding="utf-8") != text:
        write_text(backup, text)


def write_lines(path: Path, data: dict[str, Any], key: str) -> None:
    """Write an object atomically, each entry of the list under `key` on a line.

    For files of thousands of entries: laying each out readably would cost more than making it.

    Parameters
    ----------
    path
        To write.
    data
        The object.
    key
        Of the list in it.
    """
    lines = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in data[key])
    rest = {name: value for name, value in data.items() if name != key}
    text = readable_json(rest).removesuffix("\n}")
    write_text(path, f'{text},\n  "{key}": [\n{lines}\n]\n}}\n')


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


def file_sha256(path: Path) -> str:
    """Digest of a small file."""
    return sha256_of(path.read_bytes())
