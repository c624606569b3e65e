"""Digests of decoded data: of each stored source chunk, and of whole arrays.

A ``.digests`` file holds, one batch item after the other, a JSON header line (path, start, stop,
rows) and then its rows: the chunk's C-order linear index in the source's chunk grid (uint64, little
endian) and the SHA-256 of its decoded bytes, sorted by index.
"""

from __future__ import annotations

import hashlib
import heapq
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uplift.errors import InputError

ROW = np.dtype([("index", "<u8"), ("sha256", "V32")])
_MAGIC = b"ngff-uplift/digests/1\n"
_BLOCK_ROWS = 1024


@dataclass(frozen=True)
class Run:
    """Rows of one batch item inside a ``.digests`` file; `offset` in bytes."""

    file: Path
    path: str
    start: int
    offset: int
    rows: int


def canonical_bytes(values: NDArray[Any]) -> memoryview | bytes:
    """Little-endian C-order bytes; for strings of variable length their JSON list."""
    if values.dtype.hasobject:
        items = [v.decode("latin-1") if isinstance(v, bytes) else v for v in values.ravel()]
        return json.dumps(items, ensure_ascii=True, separators=(",", ":")).encode()
    little = np.ascontiguousarray(values.astype(values.dtype.newbyteorder("<"), copy=False))
    return little.reshape(-1).view(np.uint8).data


def row_of(index: int, values: NDArray[Any]) -> bytes:
    """Make the row of one decoded chunk."""
    return index.to_bytes(8, "little") + hashlib.sha256(canonical_bytes(values)).digest()


def sorted_rows(rows: Iterable[bytes]) -> bytes:
    """Put rows in grid order."""
    table = np.frombuffer(b"".join(rows), dtype=ROW)
    return table[np.argsort(table["index"], kind="stable")].tobytes()


def write_digests(file: Path, items: Iterable[tuple[str, int, int, bytes]]) -> None:
    """Write (path, start, stop, sorted rows) of a batch, atomically."""
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as stream:
            stream.write(_MAGIC)
            for path, start, stop, rows in items:
                count = len(rows) // ROW.itemsize
                header = {"path": path, "start": start, "stop": stop, "rows": count}
                stream.write(json.dumps(header).encode() + b"\n")
                stream.write(rows)
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)


def runs_of(file: Path) -> list[Run]:
    """Find the items of a ``.digests`` file without reading their rows.

    Raises
    ------
    InputError
        The file is absent, cut short or no such file.
    """
    remedy = "validate that batch again"
    try:
        with file.open("rb") as stream:
            if stream.read(len(_MAGIC)) != _MAGIC:
                raise InputError(f"{file}: is no digests file; {remedy}")
            size = file.stat().st_size
            runs = []
            while line := stream.readline():
                header = json.loads(line)
                offset = stream.tell()
                end = offset + header["rows"] * ROW.itemsize
                if end > size:
                    raise InputError(f"{file}: is cut short; {remedy}")
                runs.append(Run(file, header["path"], header["start"], offset, header["rows"]))
                stream.seek(end)
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; {remedy}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file}: is damaged; {remedy}") from None
    return runs


def rows_sha256(run: Run) -> str:
    """Hex SHA-256 of the rows of one batch item."""
    digest = hashlib.sha256()
    for block in _blocks(run):
        digest.update(block)
    return digest.hexdigest()


def chunks_sha256(runs: list[Run]) -> tuple[str, int, bool]:
    """Digest over the rows of one array in grid order, whatever batches they come from.

    Returns
    -------
    tuple of str, int, bool
        Hex SHA-256, number of rows, whether no chunk occurred twice.
    """
    digest, count, unique, before = hashlib.sha256(), 0, True, b""
    if len(runs) == 1:
        for block in _blocks(runs[0]):
            digest.update(block)
        return digest.hexdigest(), runs[0].rows, True
    for _, row in heapq.merge(*(_keyed_rows(run) for run in runs)):
        digest.update(row)
        unique = unique and row[:8] != before
        before = row[:8]
        count += 1
    return digest.hexdigest(), count, unique


def _keyed_rows(run: Run) -> Iterator[tuple[int, bytes]]:
    for block in _blocks(run):
        for at in range(0, len(block), ROW.itemsize):
            row = block[at : at + ROW.itemsize]
            yield int.from_bytes(row[:8], "little"), row


def _blocks(run: Run) -> Iterator[bytes]:
    """Rows in blocks; the file is opened for each, since thousands of runs may be merged."""
    for first in range(0, run.rows, _BLOCK_ROWS):
        count = min(_BLOCK_ROWS, run.rows - first)
        with run.file.open("rb") as stream:
            stream.seek(run.offset + first * ROW.itemsize)
            yield stream.read(count * ROW.itemsize)
