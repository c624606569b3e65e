"""Other people's validators of OME-Zarr 0.5, on a copy of the output's documents.

yaozarrs is the gate, its warnings included; ome-zarr-models gives a second opinion (it has no
answer for bioformats2raw collections, so it gets their images). A complaint is an error, unless the
same validator has the same complaint about the source's own words put in the place that 0.5 has for
them: then the source had the fault already, and it is a warning.
"""

from __future__ import annotations

import contextlib
import json
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import zarr
from ome_zarr_models.v05 import Image, ImageLabel, Labels
from ome_zarr_models.v05.hcs import HCSAttrs
from ome_zarr_models.v05.well import WellAttrs
from pydantic import ValidationError
from yaozarrs import validate_ome_object, validate_zarr_store
from yaozarrs._storage import StorageValidationError, StorageValidationWarning
from yaozarrs.v05 import OMEAttributes

from uplift.models.findings import Finding, Findings
from uplift.ngff import detect
from uplift.validators.hierarchy import children_of, entries_of

Ome = dict[str, dict[str, Any]]
"""Path of each group with OME metadata to that metadata."""


def run_validators(
    documents: Mapping[str, dict[str, Any]],
    source_attributes: Mapping[str, dict[str, Any]],
    findings: Findings,
) -> None:
    """Let the validators look at the documents of a hierarchy.

    Parameters
    ----------
    documents
        Path of each group and array (``""``: the root) to its ``zarr.json``. Nodes with equal
        documents may share one, so none is changed.
    source_attributes
        Attributes of every group of the source, by path.
    findings
        Receives what is found.
    """
    with tempfile.TemporaryDirectory(prefix="ngff-uplift-") as folder:
        mirror = Path(folder) / "output.zarr"
        for path, document in documents.items():
            (mirror / path).mkdir(parents=True, exist_ok=True)
            (mirror / path / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
        ome = {path: own for path, document in documents.items() if (own := _ome_of(document))}
        _validate(mirror, ome, source_attributes, findings)


def _ome_of(document: Mapping[str, Any]) -> dict[str, Any] | None:
    """OME metadata of a group; None where there are none."""
    attributes = document.get("attributes")
    found = attributes.get("ome") if isinstance(attributes, dict) else None
    return found if isinstance(found, dict) and document.get("node_type") == "group" else None


def _validate(
    mirror: Path, ome: Ome, source_attributes: Mapping[str, dict[str, Any]], findings: Findings
) -> None:
    complaints = _complaints(mirror, ome)
    if not complaints:
        return
    reference: Ome = {}
    for path, attributes in source_attributes.items():
        restated = restate(path, attributes)
        document = {"zarr_format": 3, "node_type": "group", "attributes": restated}
        place = mirror / path
        place.mkdir(parents=True, exist_ok=True)
        (place / "zarr.json").write_text(json.dumps(document), encoding="utf-8")
        if isinstance(restated.get("ome"), dict):
            reference[path] = restated["ome"]
    known = set(_complaints(mirror, reference))
    findings.extend(complaint for complaint in complaints if complaint not in known)
    _note_inherited([complaint for complaint in complaints if complaint in known], findings)


def _note_inherited(complaints: list[Finding], findings: Findings) -> None:
    """One warning for each validator and group."""
    grouped: dict[tuple[str, str], list[Finding]] = {}
    for one in complaints:
        grouped.setdefault((one.code.partition(".")[0], one.path), []).append(one)
    for (tool, path), same in grouped.items():
        first = min(same, key=lambda one: (one.message, one.code))
        more = f" (and {len(same) - 1} more of the kind)" if len(same) > 1 else ""
        text = f"complains about what the source says too: {first.message}{more}"
        findings.warning(f"{tool}.inherited", path, text)


def restate(path: str, attributes: Mapping[str, Any], version: str = "0.5") -> dict[str, Any]:
    """Put a group's OME metadata below ``ome``, each word as it is; no migration."""
    ome = detect.ome_of(attributes)
    if ome is not attributes:
        return {**attributes, "ome": {**ome, "version": version}}
    keys = detect.ome_keys_of(path, attributes)
    if not keys:
        return dict(attributes)
    rest = {key: value for key, value in attributes.items() if key not in keys}
    own = {key: _of_version(key, attributes[key], version) for key in keys}
    return {**rest, "ome": {"version": version, **own}}


def _of_version(key: str, value: Any, version: str) -> Any:
    """Say the new version where 0.5 has one: else a complaint about it would hide the others."""
    if key in ("plate", "well", "image-label") and isinstance(value, dict) and "version" in value:
        return {**value, "version": version}
    return value


def _complaints(mirror: Path, ome: Ome) -> list[Finding]:
    """Everything that the validators say, each once."""
    found: dict[Finding, None] = {}
    waiting = entries_of(ome, collections=True)
    while waiting:
        path = waiting.pop(0)
        complaints, crashed = _yaozarrs(mirror, path)
        found |= dict.fromkeys(complaints)
        if crashed:  # what it would have looked at next
            waiting += [child for child in children_of(path, ome) if child in ome]
    for path, own in ome.items():
        found |= dict.fromkeys(_model_warnings(path, own))
    for path in entries_of(ome, collections=False):
        found |= dict.fromkeys(_ome_zarr_models(mirror, path, ome[path]))
    return list(found)


def _yaozarrs(mirror: Path, path: str) -> tuple[list[Finding], bool]:
    """Complaints about one group and all that it leads to, and whether it gave up midway."""
    found: list[Finding] = []
    crashed = False
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            validate_zarr_store(str(mirror / path))
        except StorageValidationError as error:
            found += _findings("yaozarrs", error.errors(), path, mirror)
        except ValidationError as error:
            found += _findings("yaozarrs", error.errors(include_url=False), path, mirror)
        except (ValueError, KeyError, TypeError, NotImplementedError, OSError) as error:
            missing = f"gave up at a group without {error}"
            text = missing if isinstance(error, KeyError) else str(error)
            details = [{"type": type(error).__name__, "msg": text}]
            found += _findings("yaozarrs", details, path, mirror)
            crashed = True
    for warning in caught:
        if isinstance(warning.message, StorageValidationWarning):
            others = [d for d in warning.message.warnings() if d["type"] != "model_warning"]
            found += _findings("yaozarrs", others, path, mirror)
    return found, crashed


def _model_warnings(path: str, ome: Mapping[str, Any]) -> list[Finding]:
    """Warnings about the metadata of one group alone, which a failure elsewhere would hide."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with contextlib.suppress(ValidationError):  # found with all the others
            validate_ome_object({"ome": dict(ome)}, OMEAttributes)
    texts = {str(one.message) for one in caught if one.category.__name__ == "ValidationWarning"}
    return [
        Finding(code="yaozarrs.warning", severity="error", path=path, message=_line(text))
        for text in sorted(texts)
    ]


def _ome_zarr_models(mirror: Path, path: str, ome: Mapping[str, Any]) -> list[Finding]:
    """Complaints about one group; of an image, also about its levels and labels."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            _apply_model(mirror / path, ome)
        except Exception as error:  # models, zarr-python and validators each raise their own
            cause = _cause(error)
            details: list[Any] = [{"type": "invalid", "msg": str(cause)}]
            if isinstance(cause, ValidationError):
                details = list(cause.errors(include_url=False))
            return _findings("ome-zarr-models", details, path, mirror)
    return []


def _apply_model(folder: Path, ome: Mapping[str, Any]) -> None:
    """Its models of whole plates read everything three times, so each part gets its own."""
    for key, attributes in (("plate", HCSAttrs), ("well", WellAttrs)):
        if key in ome:
            attributes.model_validate(ome)
            return
    for key, model in (("image-label", ImageLabel), ("multiscales", Image), ("labels", Labels)):
        if key in ome:
            model.from_zarr(zarr.open_group(folder, mode="r", zarr_format=3))
            return


def _findings(tool: str, details: Iterable[Any], path: str, mirror: Path) -> list[Finding]:
    found = []
    for detail in _flat(details, ()):
        place = ".".join(str(part) for part in detail["loc"])
        message = (f"{place}: " if place else "") + _line(str(detail["msg"]), mirror)
        code = f"{tool}.{detail['type']}"
        found.append(Finding(code=code, severity="error", path=path, message=message))
    return found


def _flat(details: Iterable[Any], place: tuple[Any, ...]) -> Iterator[dict[str, Any]]:
    """Errors with those that stand inside them, each at its full place."""
    for detail in details:
        here = (*place, *detail.get("loc", ()))
        inner = (detail.get("ctx") or {}).get("error")
        if isinstance(inner, ValidationError):
            yield from _flat(inner.errors(include_url=False), here)
            continue
        text = str(detail["msg"])
        if inner is not None and str(inner) not in text:
            text = f"{text}: {inner}"
        yield {"type": detail["type"], "loc": here, "msg": text}


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _line(text: str, mirror: Path | None = None) -> str:
    """One line that does not depend on where the copy lay."""
    line = " ".join(text.split())
    for place in (mirror.as_uri(), str(mirror)) if mirror is not None else ():
        line = line.replace(place, "output")
    return line if len(line) <= 600 else f"{line[:597]}..."
