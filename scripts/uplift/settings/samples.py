"""The sample sheet: which datasets there are. Its text stays text (``001``, ``NA``)."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple

from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression
from pydantic import Field

from uplift.errors import InputError
from uplift.models.arrays import JsonValue
from uplift.models.base import Model, nearest
from uplift.settings.config import COLUMNS, Config, Lengths, codec_from_text, lengths_from_text
from uplift.settings.schema_check import MistakesError, load_schema, mistakes, place_text


class Sample(Model):
    """One dataset: a row of the sheet with the config's defaults filled in."""

    dataset: str = Field(min_length=1, description="a name for the dataset")
    input: str = Field(min_length=1, description="the folder or URL of an OME-Zarr dataset")
    output: str = Field(min_length=1, description="a folder or URL")
    license: str | None = Field(None, description="an SPDX identifier or a URL")
    organism: str | None = Field(
        None, pattern=r"^NCBI:txid[1-9][0-9]*$", description="an NCBI taxon such as NCBI:txid9606"
    )
    modality: str | None = Field(
        None, pattern=r"^obo:FBbi_[0-9]{8}$", description="an FBbi term such as obo:FBbi_00000369"
    )
    name: str | None = Field(None, description="text")
    description: str | None = Field(None, description="text")
    date_published: str | None = Field(
        None, pattern=r"^\d{4}-\d{2}-\d{2}$", description="a day such as 2026-01-31"
    )
    chunks: Lengths | None = Field(
        None, description="a list of lengths, one an axis, such as 1 1 1 512 512"
    )
    shards: Lengths | Literal["none"] | None = Field(
        None, description="a list of lengths, one an axis, such as 1 1 8 2048 2048, or none"
    )
    codec: Literal["keep"] | tuple[dict[str, JsonValue], ...] | None = Field(
        None, description="keep, blosc, zstd, gzip, none or a JSON list of Zarr v3 codecs"
    )
    plan: str | None = Field(None, description="the path of a plan")
    notes: str | None = Field(None, description="text")


class SampleTable(Model):
    """``results/samples.json``: the sheet as it was understood, without secrets of URLs."""

    schema_: Literal["ngff-uplift/samples/1"] = Field("ngff-uplift/samples/1", alias="schema")
    samples: tuple[Sample, ...]


PLANS_FOLDER = Path("config/plans")
"""Where users keep plans for reproducible reruns, as ``<dataset>.json``."""


class _Row(NamedTuple):
    """Cells that are not empty, and where they stand."""

    where: str
    cells: dict[str, Any]


def load_samples(config: Config) -> dict[str, Sample]:
    """Samples by dataset name, in order: the sheet's, or the one that the config describes.

    Raises
    ------
    MistakesError
        Every mistake of the sheet, one line each.
    """
    if config.input is not None:
        rows = [_row_of_config(config)]
        lines: list[str] = []
    else:
        rows, lines = _rows_of_sheet(Path(config.samples))
    schema = load_schema("samples")
    samples: dict[str, Sample] = {}
    places: dict[str, str] = {}
    for row in rows:
        cells = _filled_in(row.cells, config)
        wrong = [*_mistakes_of_row(row.where, cells, schema, config)]
        lines += wrong
        dataset = cells.get("dataset")
        if isinstance(dataset, str) and dataset in places:
            lines.append(
                f'{row.where}: dataset "{dataset}" is there already ({places[dataset]}); '
                "give each row a name of its own"
            )
        elif not wrong:
            samples[cells["dataset"]] = Sample.parse(cells, row.where)
        if isinstance(dataset, str):
            places.setdefault(dataset, row.where)
    lines += _colliding_outputs(samples, places)
    if lines:
        raise MistakesError(lines)
    return samples


def storage_settings(config: Config) -> dict[str, dict[str, Any]]:
    """Settings by URL prefix, with those of a single dataset's own keys added."""
    settings = {prefix: item.to_json() for prefix, item in config.storage.items()}
    for side in ("input", "output"):
        url = getattr(config, side)
        own = {
            "endpoint_url": getattr(config, f"{side}_endpoint"),
            "anon": getattr(config, f"{side}_anon"),
            "region": getattr(config, f"{side}_region"),
        }
        own = {key: value for key, value in own.items() if value is not None}
        if url is not None and own:
            url = _without_query(url)
            settings[url] = {**settings.get(url, {}), **own}
    return settings


def supplied_plan(sample: Sample) -> str | None:
    """Path of the plan a user gave: the sheet's, else ``config/plans/<dataset>.json``."""
    if sample.plan is not None:
        return sample.plan
    kept = PLANS_FOLDER / f"{sample.dataset}.json"
    return str(kept) if kept.is_file() else None


def plan_settings(sample: Sample, config: Config) -> dict[str, Any]:
    """Settings of one dataset's plan: what the sheet says stands above the config."""
    own = {
        "chunks": sample.chunks or config.chunks,
        "shards": sample.shards or config.shards,
        "codec": sample.codec or config.codec,
    }
    given = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in own.items()
        if value is not None
    }
    return {**given, **config.planning.to_json()}


def batch_settings(sample: Sample, config: Config) -> dict[str, Any]:
    """Settings of one dataset's split; `planning` is what its plan was proposed with."""
    return {
        "batch_mib": config.batch_mib,
        "unsupported": config.unsupported,
        "planning": plan_settings(sample, config),
    }


def crate_sample(sample: Sample, _config: Config | None = None) -> dict[str, Any]:
    """What the sheet says about a dataset to readers of its crate."""
    columns = ("dataset", "license", "organism", "modality", "name", "description", "notes")
    values = {column: getattr(sample, column) for column in columns}
    return {column: value for column, value in values.items() if value is not None}


def crate_settings(sample: Sample, config: Config) -> dict[str, Any]:
    """Settings of one dataset's crate."""
    settings = config.crate.to_json()
    day = sample.date_published or config.date_published
    if day is not None:
        settings["date_published"] = day
    return settings


def _row_of_config(config: Config) -> _Row:
    cells = {key: getattr(config, key) for key in COLUMNS}
    if cells["dataset"] is None:
        name = _without_query(str(config.input)).rstrip("/").rpartition("/")[2]
        for suffix in (".zip", ".ozx", ".zarr", ".ome"):
            name = name.removesuffix(suffix) or name
        cells["dataset"] = name
    given = {key: value for key, value in cells.items() if value not in (None, "")}
    for key in ("chunks", "shards", "codec"):
        given.pop(key, None)
    return _Row("config", given)


def _without_query(url: str) -> str:
    """Cut off what may be the signature of a web URL."""
    return url.partition("?")[0] if url.startswith(("http://", "https://")) else url


def _rows_of_sheet(path: Path) -> tuple[list[_Row], list[str]]:
    text = _sheet_text(path)
    separator = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        lines = _mistakes_of_header(path, header)
        rows = []
        for cells in reader:
            where = f"{path}, line {reader.line_num}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) > len(header):
                lines.append(
                    f"{where}: has {len(cells)} cells, the header {len(header)}; "
                    f'put "quotes" around a text that holds {separator!r}'
                )
                continue
            pairs = zip(header, (cell.strip() for cell in cells), strict=False)
            rows.append(_Row(where, {key: cell for key, cell in pairs if cell and key in COLUMNS}))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num}: not CSV: {error}") from None
    if not rows and not lines:
        lines.append(f"{path}: has no row; add one for each dataset")
    return rows, lines


def _sheet_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file; give a sheet with --config samples=SHEET.csv, "
            "or one dataset with --config input=in.zarr"
        ) from None
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: not UTF-8 text at byte {error.start}; save it as CSV UTF-8"
        ) from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}; check it") from None


def _separator(text: str) -> str:
    header = text.partition("\n")[0]
    return max((",", ";", "\t"), key=header.count)


def _mistakes_of_header(path: Path, header: list[str]) -> list[str]:
    lines = [
        f'{path}, line 1: unknown column "{name}"{nearest(name, list(COLUMNS))}'
        for name in header
        if name not in COLUMNS and name
    ]
    lines += [
        f'{path}, line 1: column "{name}" is there twice; keep one'
        for name in sorted({name for name in header if header.count(name) > 1 and name})
    ]
    if "input" not in header:
        lines.append(f'{path}, line 1: no column "input"; the sheet needs dataset and input')
    return lines


def _filled_in(cells: Mapping[str, Any], config: Config) -> dict[str, Any]:
    """Add the config's defaults and the default output; read lengths and codecs."""
    filled = {key: value for key, value in config.defaults.items() if value not in (None, "")}
    filled.update(cells)
    if "output" not in filled and "dataset" in filled:
        filled["output"] = f"{config.output_root.rstrip('/')}/{filled['dataset']}.zarr"
    for key in ("input", "output", "plan"):
        if isinstance(filled.get(key), str) and filled[key].startswith("~/"):
            filled[key] = str(Path(filled[key]).expanduser())  # no shell does it in key=~/value
    for key in ("chunks", "shards"):
        if key in filled:
            filled[key] = lengths_from_text(filled[key])
    if isinstance(filled.get("date_published"), dt.date):
        filled["date_published"] = filled["date_published"].isoformat()
    if "codec" in filled:
        filled["codec"] = codec_from_text(filled["codec"])
    return filled


def _mistakes_of_row(
    where: str, cells: dict[str, Any], schema: Mapping[str, Any], config: Config
) -> Iterator[str]:
    dataset = cells.get("dataset")
    named = f'{where} (dataset "{dataset}")' if dataset else where
    for place, message in mistakes(cells, schema):
        if place != ("output",) or "dataset" in cells:
            yield f"{named}: {place_text(place)}: {message}"
    if isinstance(dataset, str):
        yield from (f"{where}: dataset: {reason}" for reason in _unusable_name(dataset))
    given = cells.get("license")
    if given is not None and isinstance(given, str):
        problem = _license_problem(given)
        if problem is None:
            cells["license"] = _license_as_listed(given)
        else:
            yield f"{named}: license: {problem}"
    elif given is None and config.crate.enabled:
        how = "license=CC-BY-4.0"
        if config.input is None:
            how = "a column of the sheet, or defaults: {license: CC-BY-4.0} in the config"
        yield (
            f"{named}: license: missing; give one ({how}), "
            "or write no crate with crate: {enabled: false}"
        )
    output = cells.get("output")
    if isinstance(output, str) and output.lower().rstrip("/").endswith((".zip", ".ozx")):
        yield (
            f"{named}: output: {output}: a dataset is a folder; give its name, such as "
            f"{output.rstrip('/')[:-4]}.zarr, and ozx: true to have it packed into one file as well"
        )
    plan = cells.get("plan")
    if isinstance(plan, str) and not Path(plan).is_file():
        yield f"{named}: plan: {plan}: no such file; leave it empty to have one made"


def _unusable_name(dataset: str) -> Iterator[str]:
    bad = sorted(set(re.findall(r"[/\\{}*?\x00-\x1f\x7f]", dataset)))
    if bad:
        yield f"{dataset!r} holds {' '.join(map(repr, bad))}; it names a folder: leave that out"
    elif dataset.startswith((".", "-")) or dataset != dataset.strip():
        yield f"{dataset!r} names a folder: begin it with a letter or a digit"
    elif len(os.fsencode(dataset)) > 150:
        yield f"{dataset!r} has {len(os.fsencode(dataset))} bytes; 150 are possible"


def _license_problem(text: str) -> str | None:
    if re.match(r"https?://\S+$", text):
        return None
    try:
        canonicalize_license_expression(text)
    except InvalidLicenseExpression:
        close = nearest(text.replace(" ", "-").upper(), list(_COMMON_LICENSES))
        hint = close if close.startswith("; did") else "; for example CC-BY-4.0 or CC0-1.0"
        return f'"{text}" is neither an SPDX identifier nor a URL{hint}'
    if " " in text.strip():
        return f'"{text}" is an expression; give one SPDX identifier or a URL'
    return None


def _license_as_listed(text: str) -> str:
    if "://" in text:
        return text
    return str(canonicalize_license_expression(text))


_COMMON_LICENSES = (
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0",
    "CC-BY-3.0", "ODC-By-1.0", "ODbL-1.0", "PDDL-1.0", "MIT", "BSD-3-Clause", "Apache-2.0",
)  # fmt: skip


def _colliding_outputs(samples: Mapping[str, Sample], places: Mapping[str, str]) -> Iterator[str]:
    taken: dict[str, str] = {}
    for dataset, sample in samples.items():
        place = _comparable(sample.output)
        if place in taken:
            yield (
                f'{places[dataset]} (dataset "{dataset}"): output {sample.output} is also that of '
                f'dataset "{taken[place]}"; give each its own'
            )
        taken.setdefault(place, dataset)
    for place, dataset in taken.items():
        for outer in _folders_above(place):
            if outer in taken:
                yield (
                    f'{places[dataset]} (dataset "{dataset}"): output {samples[dataset].output} '
                    f'lies inside that of dataset "{taken[outer]}"; choose a place outside of it'
                )


def _folders_above(place: str) -> Iterator[str]:
    while "/" in place.rstrip("/"):
        place = place.rstrip("/").rpartition("/")[0]
        if place:
            yield place


def _comparable(url: str) -> str:
    url = url.removeprefix("file://")
    return url.rstrip("/") if "://" in url else os.path.realpath(url)
