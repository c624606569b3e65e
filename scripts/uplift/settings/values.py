"""What a cell of the sheet, or a key of the config, may hold: types that read texts.

A message that begins with a value and "is not" ends with the type's ``description``.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from uplift.errors import PlanError
from uplift.models.arrays import JsonValue
from uplift.models.base import did_you_mean, mistake
from uplift.models.plan import NAMED_CODECS
from uplift.ngff.versions import TARGETS
from uplift.settings.urls import ARCHIVES, WEB, display_url, is_local
from uplift.terms.tables import MODALITY, ORGANISM, Vocabulary

_PERIODIC = re.compile(r"(.+?)\1{19}$", re.DOTALL)
"""What Snakemake's own check (``PeriodicityDetector``) stops all rows at, and names none."""


def lengths_from_text(value: object) -> object:
    """Read ``1 1 512 512``, ``[1, 1, 512, 512]`` or ``{y: 512, x: 512}``; else return the value."""
    if isinstance(value, list) and all(isinstance(part, str) for part in value):
        value = " ".join(value)
    if isinstance(value, dict):
        return {key: typed_leaves(length) for key, length in value.items()}
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


def _known_codecs(value: Any) -> Any:
    """Refuse codecs that nothing can be written with; *plan* sees what depends on the array."""
    if isinstance(value, tuple) and value not in NAMED_CODECS.values():
        from uplift.codecs.mapping import refuse_unknown  # with NumPy, which few configs need

        try:
            refuse_unknown(value)
        except PlanError as error:
            raise mistake(str(error)) from None
    return value


def typed_leaves(value: Any) -> Any:
    """Read ``true`` and ``64`` in a ``--config`` mapping, which Snakemake leaves as text."""
    if isinstance(value, dict):
        return {key: typed_leaves(item) for key, item in value.items()}
    if isinstance(value, list):
        return [typed_leaves(item) for item in value]
    if isinstance(value, str) and re.fullmatch(r"(?i:true|false|null)|-?\d+(\.\d+)?", value):
        return json.loads(value.lower())
    return value


def _day_from_yaml(value: object) -> object:
    return value.isoformat() if isinstance(value, dt.date) else value


def _in_the_calendar(day: str | None) -> str | None:
    if day is not None:
        dt.date.fromisoformat(day)  # which refuses the 31st of February
    return day


def at_home(value: Any) -> Any:
    """Expand ``~/``: no shell does it in ``--config input=~/in.zarr`` or in a sheet."""
    if isinstance(value, str) and value.startswith("~/"):
        return str(Path(value).expanduser())
    return value


def _license_as_listed(value: object) -> object:
    """Write an SPDX identifier as the SPDX list does."""
    from packaging.licenses import InvalidLicenseExpression, canonicalize_license_expression

    if not isinstance(value, str) or re.match(r"https?://\S+$", value):
        return value
    try:
        listed = str(canonicalize_license_expression(value))
    except InvalidLicenseExpression:
        raise mistake(_no_license(value)) from None
    if " " in value.strip():
        raise mistake(f'"{value}" is an expression; give one SPDX identifier or a URL')
    return listed


def _no_license(text: str) -> str:
    close = did_you_mean(text.replace(" ", "-").upper(), list(_COMMON_LICENSES))
    hint = close or "; for example CC-BY-4.0 or CC0-1.0"
    return f'"{text}" is neither an SPDX identifier nor a URL{hint}'


def _term_of(vocabulary: Vocabulary) -> BeforeValidator:
    """Read an identifier in any form, or a name, as the identifier in full."""

    def read(value: object) -> object:
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            return value
        try:
            return vocabulary.identify(str(value))
        except ValueError as error:
            raise mistake(str(error)) from None

    return BeforeValidator(read)


def _usable_name(dataset: str) -> str:
    """Refuse what cannot name a folder of work files."""
    bad = sorted(set(re.findall(r"[/\\{}*?\x00-\x1f\x7f]", dataset)))
    if bad:
        held = " ".join(map(repr, bad))
        raise mistake(f"{dataset!r} holds {held}; it names a folder: leave that out")
    if dataset.startswith((".", "-")) or dataset != dataset.strip():
        raise mistake(f"{dataset!r} names a folder: begin it with a letter or a digit")
    if len(os.fsencode(dataset)) > 150:
        raise mistake(f"{dataset!r} has {len(os.fsencode(dataset))} bytes; 150 are possible")
    repeated = _PERIODIC.search(dataset)
    if repeated is not None:
        raise mistake(
            f"{dataset!r} ends in {repeated[1]!r}, 20 times or more, which Snakemake takes for an "
            "endless recursion; give it another name"
        )
    return dataset


def _without_braces(path: str | None) -> str | None:
    """Refuse what Snakemake takes for a wildcard: the path is that of files of its jobs."""
    if path is not None and ("{" in path or "}" in path):
        raise mistake(f"{path!r} holds braces, which Snakemake takes for a wildcard; rename it")
    return path


def _somewhere(url: str) -> str:
    """Refuse URLs that name no place, or another one than they seem to."""
    scheme, mark, rest = url.partition("://")
    host, slash, key = rest.partition("/")
    if not mark:
        return url
    if is_local(url) and host not in ("", "localhost"):
        raise mistake(
            f"{url}: {host} is read as a host name; write file:///{host}{slash}{key} "
            f"for a path from the root, or the path alone"
        )
    if not is_local(url) and not host:
        raise mistake(f"{url}: names no bucket or server; write it as in {scheme}://NAME/in.zarr")
    return url


def _writable(output: str) -> str:
    if not is_local(output) and output.partition("://")[0].lower() in WEB:
        raise mistake(
            f"{display_url(output)}: is only read; name a folder, or an object store by its own "
            "URL, such as s3://bucket/out.zarr with output_endpoint"
        )
    return output


def _no_archive(output: str) -> str:
    """Refuse to write into a file."""
    if output.lower().rstrip("/").endswith(ARCHIVES):
        raise mistake(
            f"{output}: a dataset is a folder; give its name, such as "
            f"{output.rstrip('/')[:-4]}.zarr, and ozx: true to have it packed into one file as well"
        )
    return output


_COMMON_LICENSES = (
    "CC0-1.0", "CC-BY-4.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-ND-4.0",
    "CC-BY-3.0", "ODC-By-1.0", "ODbL-1.0", "PDDL-1.0", "MIT", "BSD-3-Clause", "Apache-2.0",
)  # fmt: skip

Positive = Annotated[int, Field(ge=1, strict=True)]
Lengths = (
    Annotated[tuple[Positive, ...], Field(min_length=1)]
    | Annotated[dict[str, Positive], Field(min_length=1)]
)
"""Elements along each axis: a list of length ndim, or by axis name."""

DatasetName = Annotated[
    str, Field(min_length=1, description="a name for the dataset"), AfterValidator(_usable_name)
]
Source = Annotated[
    str,
    BeforeValidator(at_home),
    Field(min_length=1, description="the folder or URL of an OME-Zarr dataset"),
    AfterValidator(_somewhere),
]
Output = Annotated[
    str,
    BeforeValidator(at_home),
    Field(min_length=1, description="a folder or URL"),
    AfterValidator(_somewhere),
    AfterValidator(_writable),
    AfterValidator(_no_archive),
]
PlanPath = Annotated[
    str | None,
    BeforeValidator(at_home),
    Field(description="the path of a plan"),
    AfterValidator(_without_braces),
]
WorkPath = Annotated[
    str,
    Field(min_length=1, description="a folder for the work files"),
    AfterValidator(_without_braces),
    AfterValidator(os.path.normpath),
]
"""Snakemake warns of each file below ``./results`` and ``results/``."""
Chunks = Annotated[
    Lengths | None,
    BeforeValidator(lengths_from_text),
    Field(description="lengths along the axes, such as 1 1 1 512 512 or {y: 512, x: 512}"),
]
Shards = Annotated[
    Lengths | Literal["none"] | None,
    BeforeValidator(lengths_from_text),
    Field(description="lengths along the axes, such as 1 1 8 2048 2048 or {y: 512}, or none"),
]
Codec = Annotated[
    Literal["keep"] | tuple[dict[str, JsonValue], ...] | None,
    BeforeValidator(codec_from_text),
    AfterValidator(_known_codecs),
    Field(description="keep, blosc, zstd, gzip, none or a JSON list of Zarr v3 codecs"),
]
Day = Annotated[
    Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None,
    BeforeValidator(_day_from_yaml),
    AfterValidator(_in_the_calendar),
    Field(description="a day such as 2026-01-31"),
]
License = Annotated[
    str | None,
    BeforeValidator(_license_as_listed),
    Field(description="an SPDX identifier or a URL"),
]
Organism = Annotated[
    Annotated[str, Field(pattern=r"^NCBI:txid[1-9][0-9]*$")] | None,
    _term_of(ORGANISM),
    Field(description="an organism of the NCBI Taxonomy: an identifier or a name"),
]
Modality = Annotated[
    Annotated[str, Field(pattern=r"^obo:FBbi_[0-9]{8}$")] | None,
    _term_of(MODALITY),
    Field(description="an imaging method of FBbi: an identifier or a name"),
]
if TYPE_CHECKING:  # type checkers take no Literal whose values a table has
    TargetVersion = str
else:
    TargetVersion = Annotated[Literal[tuple(TARGETS)], BeforeValidator(str)]
Text = Annotated[str | None, Field(description="text (put it in quotes)")]
Flag = Annotated[
    Annotated[bool, Field(strict=True)] | None,
    BeforeValidator(typed_leaves),
    Field(description="true or false"),
]
"""A switch that may be a cell of the sheet, where it is text."""
Whole = Annotated[int, Field(strict=True)]
MAX_SLICES = 256
"""Jobs that convert one dataset, at most: Snakemake looks at each job many times."""
Jobs = Annotated[
    Annotated[int, Field(strict=True, ge=1, le=MAX_SLICES)] | None,
    BeforeValidator(typed_leaves),
    Field(description=f"a number of jobs, 1 to {MAX_SLICES}"),
]
