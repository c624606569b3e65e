"""The sample sheet as a file: CSV, whose cells stay text (``001``, ``NA``)."""

import csv
import io
import itertools
import re
from pathlib import Path
from typing import NamedTuple

from uplift.errors import InputError
from uplift.models.base import nearest
from uplift.settings.columns import COLUMNS
from uplift.settings.mistakes import Mistake

_EXCEL_LINE = re.compile(r"sep=([,;\t])\r?\n")
_NEEDED = ("dataset", "input")
_EMPTY = ',;\t "\r\n'
"""What a line of empty cells consists of."""


class Row(NamedTuple):
    """Cells that are not empty, and where they are: file and line, or the config."""

    where: str
    cells: dict[str, object]


def rows_of_sheet(path: Path) -> tuple[list[Row], list[Mistake]]:
    """Read the rows of a sheet, and what is wrong with the file and its header.

    Without a column that every row needs there are no rows: each would lack the same.

    Raises
    ------
    InputError
        It cannot be read, or is not CSV.
    """
    text = _sheet_text(path)
    if not text.strip():
        raise InputError(
            f"{path}: is empty; write a line with the names of columns (dataset,input,license), "
            "and one for each dataset"
        )
    first, separator = _header_line(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    whole = 0  # lines of rows that were read to their end
    try:
        header = [name.strip() for name in next(itertools.islice(reader, first, None), [])]
        wrong = _mistakes_of_header(f"{path}, line {first + 1}", header)
        rows = []
        whole = reader.line_num
        for cells in reader:
            where, whole = f"{path}, line {whole + 1}", reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            # spreadsheets write as many cells as their longest row has, or as a row once had
            if any(cell.strip() for cell in cells[len(header) :]):
                text = f"has {len(cells)} cells, the header {len(header)}"
                what = f'put "quotes" around a text that holds {separator!r}'
                wrong.append(Mistake(where, f"{text}; {what}", what))
                continue
            pairs = zip(header, (cell.strip() for cell in cells), strict=False)
            rows.append(Row(where, {key: cell for key, cell in pairs if cell and key in COLUMNS}))
    except csv.Error as error:
        what = (
            'a text in "quotes" that begins here has no end: close it, or write the quote twice'
            if "unexpected end" in str(error)
            else f"not CSV: {error}"
        )
        raise InputError(f"{path}, line {whole + 1}: {what}") from None
    if not rows and not wrong:
        wrong.append(Mistake(str(path), "has no row; add one for each dataset"))
    return (rows if set(_NEEDED) <= set(header) else []), wrong


def _sheet_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give a sheet with --config samples=SHEET.csv, "
            "or one dataset with --config input=in.zarr"
        ) from None
    except UnicodeDecodeError as error:
        line = 1 + error.object[: error.start].count(b"\n")
        raise InputError(f"{path}, line {line}: not UTF-8 text; save it as CSV UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check it") from None


def _header_line(text: str) -> tuple[int, str]:
    """Lines before the header, and what is between two cells: Excel may say so in a line."""
    said = _EXCEL_LINE.match(text)
    for first, line in enumerate(io.StringIO(text, newline="")):
        if line.strip(_EMPTY) and (first or said is None):
            return first, said[1] if said else max((",", ";", "\t"), key=line.count)
    return 0, ","


def _mistakes_of_header(where: str, header: list[str]) -> list[Mistake]:
    texts = [
        f'unknown column "{name}"{nearest(name, list(COLUMNS))}'
        for name in header
        if name not in COLUMNS and name
    ]
    texts += [
        f'column "{name}" is there twice; keep one'
        for name in sorted({name for name in header if header.count(name) > 1 and name})
    ]
    texts += [
        f'no column "{name}"; the sheet needs {" and ".join(_NEEDED)}'
        for name in _NEEDED
        if name not in header
    ]
    return [Mistake(where, text) for text in texts]
