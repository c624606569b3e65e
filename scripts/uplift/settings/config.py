"""The workflow's settings: ``config/config.yaml`` and ``--config``, as one typed record."""

import functools
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field

from uplift.models.base import Model, keys_text
from uplift.models.plan import Planning
from uplift.models.site import SiteCosts
from uplift.ngff.versions import DEFAULT_TARGET
from uplift.settings.columns import COLUMNS, Attribution, Columns, CrateSettings
from uplift.settings.mistakes import MistakesError, parse_all
from uplift.settings.storage import Endpoint, Region, StorageOptions, Switch
from uplift.settings.typed import retyped, typed_arguments
from uplift.settings.urls import is_local
from uplift.settings.values import Codec, TargetVersion, Whole, WorkPath, typed_leaves

FOR_ALL_ROWS = ("chunks", "shards", "codec", "date_published", "spatialdata")
"""Columns that, as keys of the config, hold for every row of a sheet; the others need `input`."""

TEXT_COLUMNS = (
    "dataset", "input", "output", "license", "name", "description", "plan", "notes",
)  # fmt: skip
"""Columns that are text and nothing else: ``name=001`` must not become a number."""


Name = Annotated[
    Annotated[str, Field(min_length=1)] | None,
    BeforeValidator(lambda value: str(value) if type(value) is int else value),
    Field(description="a name"),
]
"""What a site calls something; accounts may be numbers."""


class Crate(CrateSettings, Attribution):
    """The RO-Crate next to the data, and whose all datasets of the sheet are."""


class Slurm(Model):
    """Where jobs of a cluster run, and who is asked for them."""

    partition: Name = None
    account: Name = None
    qos: Name = None


class Config(Columns):
    """Every key of the config. The columns of the sheet describe a single dataset."""

    noun: ClassVar[str] = "key"

    samples: str = Field("config/samples.csv", min_length=1, description="the path of a CSV file")
    output_root: str = Field("output", min_length=1, description="a folder or URL")
    results: WorkPath = "results"
    defaults: Columns = Columns()
    codec: Codec = "keep"
    planning: Planning = Planning()
    batch_mib: Whole = Field(4096, ge=1, description="a size in MiB, 1 or more")
    threads: Whole = Field(16, ge=1, description="a number of threads, 1 or more")
    unsupported: Literal["fail", "skip"] = "fail"
    on_bad_chunk: Literal["fail", "fill"] = "fail"
    on_bad_metadata: Literal["keep", "fail"] = "keep"
    on_recent_change: Literal["ignore", "warn", "fail"] = "warn"
    on_little_space: Literal["fail", "warn"] = "fail"
    litter: Literal["drop", "copy"] = "drop"
    durability: Literal["fsync", "none"] = "fsync"
    overwrite: Switch = False
    target_version: TargetVersion = DEFAULT_TARGET
    consolidated_metadata: Switch = False
    manifest: Switch = False
    ozx: Switch = False
    previews: Switch = True
    console: Literal["short", "snakemake"] = "short"
    verify: Literal["once", "reread"] = "once"
    digest_limit_mib: Whole = Field(0, ge=0, description="a size in MiB, 0 or more")
    slurm: Slurm = Slurm()
    container: Name = None
    crate: Crate = Crate()
    costs: SiteCosts = SiteCosts()
    storage: dict[str, StorageOptions] = Field(
        default_factory=dict, description="a mapping from URL prefixes to settings"
    )
    input_endpoint: Endpoint = None
    input_anon: Switch | None = None
    input_region: Region = None
    output_endpoint: Endpoint = None
    output_anon: Switch | None = None
    output_region: Region = None


def parse_config(
    merged: Mapping[str, Any],
    sources: Iterable[tuple[str, Mapping[str, Any]]] = (),
    arguments: Sequence[str] = (),
) -> Config:
    """Make the config from what Snakemake merged.

    Parameters
    ----------
    merged
        Snakemake's ``config``.
    sources
        (label, content) of every file it came from and of ``--config``, the last one strongest:
        messages say where a key was given. Nobody asks where nothing is wrong, so files may be
        read when they are taken from it.
    arguments
        The ``key=value`` texts of ``--config`` as typed.

    Returns
    -------
    Config
        With the defaults of all that is not given.

    Raises
    ------
    MistakesError
        Every mistake, one line each.
    """
    typed_in = typed_arguments(arguments)
    wrong = {
        key: line
        for key, raw in typed_in.items()
        if key in TEXT_COLUMNS and (line := retyped(key, raw, merged.get(key)))
    }
    data = {
        key: typed_leaves(value) if key in typed_in and key not in _TEXTS else value
        for key, value in merged.items()
        if value is not None and key not in wrong
    }
    config, found = parse_all(Config, _without_nulls(data))
    lines = [*wrong.values()]
    label = _labels(sources)
    lines += [f"{label(keys[0])}: {keys_text(keys)}: {text}" for keys, text in found]
    if config is not None and not lines:
        lines = [*_meaningless(data, label), *_of_no_place(config.storage, label)]
        if "samples" in typed_in and "input" in data:
            lines.append(
                f"--config: samples: has no meaning next to input ({label('input')}), which is a "
                "single dataset; leave one of them out"
            )
    if lines or config is None:
        raise MistakesError(lines)
    return config


def _without_nulls(data: Mapping[str, Any]) -> dict[str, Any]:
    """A key without a value, in a section too, is left at its default."""
    return {
        key: _without_nulls(value) if isinstance(value, dict) else value
        for key, value in data.items()
        if value is not None
    }


def _labels(sources: Iterable[tuple[str, Mapping[str, Any]]]) -> Callable[[int | str], str]:
    """Function that says where a key was given."""
    known = functools.cache(lambda: list(sources))

    def label(key: int | str) -> str:
        return next((name for name, data in reversed(known()) if key in data), "config")

    return label


def _of_no_place(storage: Iterable[str], label: Callable[[int | str], str]) -> Iterator[str]:
    """Prefixes that no URL begins with, such as the name of a bucket."""
    for prefix in storage:
        if is_local(prefix):
            short = re.fullmatch(r"([A-Za-z][A-Za-z0-9+.-]*):/?([^/].*)?", prefix)
            meant = f"{short[1]}://{short[2] or ''}" if short else "s3://bucket/"
            yield (
                f'{label("storage")}: storage["{prefix}"]: is not the beginning of a URL; write it '
                f"{'' if short else 'as in '}{meant}"
            )


def _meaningless(data: Mapping[str, Any], label: Callable[[int | str], str]) -> list[str]:
    """Keys that say something about a single dataset, where a sheet is given."""
    if "input" in data:
        return []
    lines = []
    for key in Config.model_fields:
        column = key in COLUMNS
        if key not in data or key in FOR_ALL_ROWS or not (column or key.startswith(_SIDES)):
            continue
        hint = "give input=… for a single dataset"
        if column and key not in ("dataset", "output", "plan"):
            hint += f", or defaults: {{{key}: …}} for every row of the sheet"
        lines.append(f"{label(key)}: {key}: has no meaning without input; {hint}")
    return lines


_SIDES = ("input_", "output_anon", "output_endpoint", "output_region")
_TEXTS = (
    *(name for name in COLUMNS if name != "codec"),
    "samples",
    "output_root",
    "results",
    "defaults",
)
