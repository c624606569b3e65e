"""The workflow's settings: ``config/config.yaml`` and ``--config``, as one typed record."""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints

from uplift.models.arrays import JsonValue
from uplift.models.base import Model, nearest
from uplift.models.crate import Parties
from uplift.models.plan import NAMED_CODECS
from uplift.settings.schema_check import MistakesError, load_schema, mistakes, place_text

Positive = Annotated[int, Field(ge=1)]
Lengths = (
    Annotated[tuple[Positive, ...], Field(min_length=1)]
    | Annotated[dict[str, Positive], Field(min_length=1)]
)
"""Elements along each axis: a list of length ndim, or by axis name."""

COLUMNS = (
    "dataset", "input", "output", "license", "organism", "modality", "name", "description",
    "date_published", "chunks", "shards", "codec", "plan", "notes",
)  # fmt: skip
"""Columns of the sample sheet; each may be a key of the config for a single dataset."""

TEXT_COLUMNS = tuple(
    name for name in COLUMNS if name not in ("date_published", "chunks", "shards", "codec")
)


class Planning(Model):
    """How plans are proposed."""

    min_shards: int = Field(8, ge=1, description="a number of shards, 1 or more")
    shard_mib: int = Field(512, ge=1, description="a size in MiB, 1 or more")
    max_chunks_per_shard: int = Field(4096, ge=1, description="a number of chunks, 1 or more")
    small_array_mib: int = Field(64, ge=0, description="a size in MiB, 0 or more")
    keep_chunk_min_kib: int = Field(64, ge=0, description="a size in KiB, 0 or more")
    keep_chunk_max_mib: int = Field(16, ge=1, description="a size in MiB, 1 or more")
    recode_memory_mib: int = Field(2048, ge=64, description="a size in MiB, 64 or more")


_PARTY = "a name, an ORCID iD, {name: …, orcid: …, id: URL, affiliation: …}, or a list of these"


class Crate(Model):
    """The RO-Crate beside the data."""

    enabled: bool = Field(True, description="true or false")
    author: Parties = Field(None, description=_PARTY)
    publisher: Parties = Field(None, description=_PARTY)


class StorageSettings(Model):
    """How to reach the places whose URL begins with a prefix. Never holds a secret."""

    endpoint_url: str | None = Field(
        None, pattern=r"^https?://[^@]+$", description="a URL such as https://s3.example.org"
    )
    anon: bool | None = Field(None, description="true or false")
    region: str | None = Field(None, description="the name of a region such as eu-west-1")
    profile: str | None = Field(None, description="the name of a profile in ~/.aws/config")
    concurrency: int | None = Field(None, ge=1, description="a number of requests, 1 or more")
    retries: int | None = Field(None, ge=0, description="a number of attempts, 0 or more")
    timeout: float | None = Field(None, gt=0, description="a time in seconds, more than 0")
    engine: Literal["auto", "obstore", "fsspec"] | None = Field(
        None, description="auto, obstore or fsspec"
    )


class Config(Model):
    """Every key of the config."""

    samples: str = Field("config/samples.csv", min_length=1, description="the path of a CSV file")
    output_root: str = Field("output", min_length=1, description="a folder or URL")
    results: str = Field("results", min_length=1, description="a folder for the work files")
    defaults: dict[str, Any] = Field(
        default_factory=dict, description="a mapping from columns of the sheet to values"
    )
    chunks: Lengths | None = Field(
        None,
        description="lengths along the axes, such as [1, 1, 1, 512, 512] or {y: 512, x: 512}",
    )
    shards: Lengths | Literal["none"] | None = Field(
        None, description="a list of lengths, one an axis, such as [1, 1, 8, 2048, 2048], or none"
    )
    codec: Literal["keep"] | tuple[dict[str, JsonValue], ...] = Field(
        "keep", description="keep, blosc, zstd, gzip, none or a list of Zarr v3 codecs"
    )
    planning: Planning = Planning()
    batch_mib: int = Field(4096, ge=1, description="a size in MiB, 1 or more")
    threads: int = Field(4, ge=1, description="a number of threads, 1 or more")
    unsupported: Literal["fail", "skip"] = "fail"
    on_bad_chunk: Literal["fail", "fill"] = "fail"
    durability: Literal["fsync", "none"] = "fsync"
    overwrite: bool = Field(False, description="true or false")
    target_version: Literal["0.5"] = "0.5"
    consolidated_metadata: bool = Field(False, description="true or false")
    manifest: bool = Field(False, description="true or false")
    ozx: bool = Field(False, description="true or false")
    previews: bool = Field(True, description="true or false")
    digest_limit_mib: int = Field(4096, ge=0, description="a size in MiB, 0 or more")
    crate: Crate = Crate()
    date_published: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = (
        Field(None, description="a day such as 2026-01-31")
    )
    storage: dict[str, StorageSettings] = Field(
        default_factory=dict, description="a mapping from URL prefixes to settings"
    )
    dataset: str | None = Field(None, description="text (put it in quotes)")
    input: str | None = Field(None, min_length=1, description="a folder or URL")
    output: str | None = Field(None, min_length=1, description="a folder or URL")
    license: str | None = Field(None, description="text (put it in quotes)")
    organism: str | None = Field(None, description="text (put it in quotes)")
    modality: str | None = Field(None, description="text (put it in quotes)")
    name: str | None = Field(None, description="text (put it in quotes)")
    description: str | None = Field(None, description="text (put it in quotes)")
    plan: str | None = Field(None, description="the path of a plan")
    notes: str | None = Field(None, description="text (put it in quotes)")
    input_endpoint: str | None = Field(None, pattern=r"^https?://[^@]+$", description="a URL")
    input_anon: bool | None = Field(None, description="true or false")
    input_region: str | None = Field(None, description="the name of a region")
    output_endpoint: str | None = Field(None, pattern=r"^https?://[^@]+$", description="a URL")
    output_anon: bool | None = Field(None, description="true or false")
    output_region: str | None = Field(None, description="the name of a region")


def parse_config(
    merged: Mapping[str, Any],
    sources: Sequence[tuple[str, Mapping[str, Any]]] = (),
    arguments: Sequence[str] = (),
) -> Config:
    """Make the config from what Snakemake merged.

    Parameters
    ----------
    merged
        Snakemake's ``config``.
    sources
        (label, content) of every file it came from and of ``--config``, the last one strongest:
        messages name the place a key was given.
    arguments
        The ``key=value`` texts of ``--config`` as typed.

    Raises
    ------
    MistakesError
        Every mistake, one line each.
    """
    typed = {key: value for key, value in merged.items() if value is not None}
    typed_in = _typed_arguments(arguments)
    lines = [line for key, raw in typed_in.items() for line in _retyped(key, raw, merged.get(key))]
    wrong = {key for key, raw in typed_in.items() if any(_retyped(key, raw, merged.get(key)))}
    for key in sorted(typed.keys() - wrong):
        typed[key] = _normalised(key, typed[key], from_arguments=key in typed_in)
    checked = {key: value for key, value in typed.items() if key not in wrong}
    for place, message in mistakes(checked, load_schema("config")):
        label = _label(str(place[0]), sources)
        lines.append(f"{label}: {place_text(place)}: {message}")
    lines += _contradictions(checked, sources) if not lines else []
    if lines:
        raise MistakesError(lines)
    return Config.parse(checked, "config")


def lengths_from_text(value: object) -> object:
    """Read ``1 1 512 512``, ``[1, 1, 512, 512]`` or ``{y: 512, x: 512}``; else return the value."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    if isinstance(value, dict):
        return {key: _typed_leaves(length) for key, length in value.items()}
    if not isinstance(value, str):
        return value
    if re.fullmatch(r"\s*\{(\s*\"?\w+\"?\s*:\s*[0-9]+\s*,?)+\}\s*", value):
        pairs = re.findall(r"(\w+)\"?\s*:\s*([0-9]+)", value)
        return {axis: int(length) for axis, length in pairs}
    parts = value.strip().removeprefix("[").removesuffix("]").replace(",", " ").split()
    if parts and all(re.fullmatch(r"[0-9]+", part) for part in parts):
        return [int(part) for part in parts]
    return value.strip()


def codec_from_text(value: object) -> object:
    """``keep``, a codec's name or a JSON list as a codec list; else the value itself."""
    if not isinstance(value, str):
        return value
    text = value.strip()
    if text in NAMED_CODECS:
        return list(NAMED_CODECS[text])
    if text.startswith("["):
        try:
            return json.loads(text)
        except json.JSONDecodeError:
            return text
    return text


def quoted_argument(key: str, text: str) -> str:
    """Spell a ``--config`` argument that reaches the config as text, whatever it looks like.

    Snakemake strips outer quotes and then tries a number before YAML; blanks around a YAML string
    keep both from happening.
    """
    return f"--config {shlex.quote(f'{key}= {json.dumps(text, ensure_ascii=False)} ')}"


def _typed_arguments(arguments: Sequence[str]) -> dict[str, str]:
    pairs = (argument.partition("=") for argument in arguments)
    return {key: raw for key, _, raw in pairs}


def _retyped(key: str, raw: str, value: object) -> list[str]:
    """Say that Snakemake made something else of a text given on the command line."""
    if key not in TEXT_COLUMNS or value is None:
        return []
    text = raw.strip("'\"")
    if value == text.strip() or _is_quoted_yaml(raw, value):
        return []
    kinds: dict[type, str] = {dict: "a mapping", list: "a list", bool: f"the truth value {value}"}
    kinds[str] = f"the text {value!r}"
    kind = kinds.get(type(value), f"the number {value}")
    return [
        f"--config {key}={raw}: Snakemake reads this as {kind}; {quoted_argument(key, text)} works"
    ]


def _is_quoted_yaml(raw: str, value: object) -> bool:
    body = raw.strip()
    if len(body) < 2 or body == raw or body[0] not in "'\"" or body[0] != body[-1]:
        return False
    return isinstance(value, str)


def _normalised(key: str, value: Any, *, from_arguments: bool) -> Any:
    if key in ("chunks", "shards"):
        return lengths_from_text(value)
    if key == "codec":
        return codec_from_text(_typed_leaves(value) if from_arguments else value)
    if key == "target_version" and isinstance(value, float):
        return str(value)
    if key == "date_published" and isinstance(value, dt.date):
        return value.isoformat()
    if from_arguments and key not in (*COLUMNS, "defaults", "samples", "output_root", "results"):
        return _typed_leaves(value)
    return value


def _typed_leaves(value: Any) -> Any:
    """Read ``true`` and ``64`` in a ``--config`` mapping, which Snakemake leaves as text."""
    if isinstance(value, dict):
        return {key: _typed_leaves(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_typed_leaves(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"(?i:true|false|null)|-?\d+(\.\d+)?", value):
        return json.loads(value.lower())
    return value


def _label(key: str, sources: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    return next((label for label, data in reversed(sources) if key in data), "config")


def _contradictions(
    data: Mapping[str, Any], sources: Sequence[tuple[str, Mapping[str, Any]]]
) -> list[str]:
    label = _label("defaults", sources)
    lines = [
        f'{label}: defaults: unknown column "{key}"{nearest(key, list(COLUMNS))}'
        for key in sorted(set(data.get("defaults", {})) - set(COLUMNS))
    ]
    if "input" in data:
        return lines
    for key in (*TEXT_COLUMNS, "input_endpoint", "input_anon", "input_region",
                "output_endpoint", "output_anon", "output_region"):  # fmt: skip
        if key in data:
            hint = "give input=… for a single dataset"
            if key in TEXT_COLUMNS and key not in ("dataset", "output", "plan"):
                hint += f", or defaults: {{{key}: …}} for every row of the sheet"
            lines.append(f"{_label(key, sources)}: {key}: has no meaning without input; {hint}")
    return lines
