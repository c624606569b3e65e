"""``records/<batch>.digests``: digests of the values of each stored source chunk.

The file holds, one batch item after the other, a JSON header line (path, start, stop, rows) and
then its rows (:data:`uplift.arrays.digests.PIXEL_ROW`), sorted by index. A header says how many
bytes an index has (index_bytes) where these are not 8.
"""

import hashlib
import heapq
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from uplift.arrays.digests import ALGORITHM, PIXEL_ROW
from uplift.errors import VALIDATE_AGAIN, InputError

_MAGIC = f"ngff-uplift/digests/2 {ALGORITHM}\n".encode()
_INDEX_BYTES = PIXEL_ROW["index"].itemsize
_BLOCK_ROWS = 1024
"""Rows of a file that are held: thousands of files are merged."""


@dataclass(frozen=True)
class Run:
    """Rows of one batch item inside a ``.digests`` file, and their SHA-256; the rest in bytes."""

    file: Path
    path: str
    start: int
    offset: int
    rows: int
    sha256: str
    index_bytes: int = _INDEX_BYTES

    @property
    def row_bytes(self) -> int:
        """Bytes of a row."""
        return _row_bytes(self.index_bytes)


def _row_bytes(width: int) -> int:
    return width + PIXEL_ROW["digest"].itemsize


def digests_file(items: Iterable[tuple[str, int, int, bytes, int]]) -> list[bytes]:
    """Content of a file, in pieces: path, start, stop, sorted rows and their index's bytes."""
    pieces = [_MAGIC]
    for path, start, stop, rows, width in items:
        count = len(rows) // _row_bytes(width)
        header = {"path": path, "start": start, "stop": stop, "rows": count}
        header |= {} if width == _INDEX_BYTES else {"index_bytes": width}
        pieces += [json.dumps(header).encode() + b"\n", rows]
    return pieces


def runs_of(file: Path) -> list[Run]:
    """Find the items of a ``.digests`` file, which is read once; no rows are kept.

    Raises
    ------
    InputError
        The file is absent, cut short or not such a file.
    """
    try:
        with file.open("rb") as stream:
            if stream.readline() != _MAGIC:
                raise InputError(f"{file}: not a digests file of this version; {VALIDATE_AGAIN}")
            size = file.stat().st_size
            runs = []
            while line := stream.readline():
                header = json.loads(line)
                offset = stream.tell()
                width = header.get("index_bytes", _INDEX_BYTES)
                end = offset + header["rows"] * _row_bytes(width)
                if end > size:
                    raise InputError(f"{file}: is cut short; {VALIDATE_AGAIN}")
                found = header["path"], header["start"], offset, header["rows"]
                runs.append(Run(file, *found, _sha256_until(stream, end), width))
    except FileNotFoundError:
        raise InputError(f"{file}: no such file; {VALIDATE_AGAIN}") from None
    except (ValueError, KeyError, TypeError):
        raise InputError(f"{file}: is damaged; {VALIDATE_AGAIN}") from None
    return runs


def chunks_sha256(runs: list[Run]) -> tuple[str, int, bool]:
    """Digest over the rows of one array in grid order, whatever batches they come from.

    Returns
    -------
    tuple of str, int, bool
        Hex SHA-256, number of rows, whether no chunk occurred twice.
    """
    if len(runs) == 1:
        return runs[0].sha256, runs[0].rows, True
    digest, count, unique, before = hashlib.sha256(), 0, True, b""
    for _, row in heapq.merge(*(_keyed_rows(run) for run in runs)):
        digest.update(row)
        index = row[: -PIXEL_ROW["digest"].itemsize]
        unique = unique and index != before
        before = index
        count += 1
    return digest.hexdigest(), count, unique


def first_gap(runs: list[Run], chunks: int) -> int | None:
    """First of `chunks` linear indices that has no row; None when all have one."""
    expected = 0
    for number, _ in heapq.merge(*(_keyed_rows(run) for run in runs)):
        if number != expected:
            return expected
        expected += 1
    return expected if expected < chunks else None


def _sha256_until(stream: BinaryIO, end: int) -> str:
    """Hex SHA-256 of what lies between here and a position."""
    digest = hashlib.sha256()
    left = end - stream.tell()
    while left > 0 and (block := stream.read(min(left, _BLOCK_ROWS * PIXEL_ROW.itemsize))):
        digest.update(block)
        left -= len(block)
    return digest.hexdigest()


def _keyed_rows(run: Run) -> Iterator[tuple[int, bytes]]:
    for block in _blocks(run):
        for at in range(0, len(block), run.row_bytes):
            row = block[at : at + run.row_bytes]
            yield int.from_bytes(row[: run.index_bytes], "little"), row


def _blocks(run: Run) -> Iterator[bytes]:
    """Rows in blocks; the file is opened for each, since thousands of runs may be merged."""
    for first in range(0, run.rows, _BLOCK_ROWS):
        count = min(_BLOCK_ROWS, run.rows - first)
        with run.file.open("rb") as stream:
            stream.seek(run.offset + first * run.row_bytes)
            yield stream.read(count * run.row_bytes)
