"""Other people's validators of OME-Zarr 0.5, on a copy of the output's documents.

yaozarrs is the gate: its warnings count as errors. ome-zarr-models gives a second opinion; it
knows no bioformats2raw collections, so it gets their images.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import zarr
from ome_zarr_models.v05 import HCS, Image, ImageLabel, Labels, Well
from pydantic import ValidationError
from yaozarrs import validate_zarr_store
from yaozarrs._storage import StorageValidationError, StorageValidationWarning

from uplift.checks.findings import Findings


def run_yaozarrs(mirror: Path, entries: Iterable[str], findings: Findings) -> None:
    """Validate the groups `entries` (paths) and everything they lead to."""
    for path in entries:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                validate_zarr_store(str(mirror / path))
            except StorageValidationError as error:
                _note(error.errors(), path, mirror, findings)
            except ValidationError as error:
                _note(error.errors(include_url=False), path, mirror, findings)
            except (ValueError, KeyError, TypeError, NotImplementedError, OSError) as error:
                _note([{"type": type(error).__name__, "msg": str(error)}], path, mirror, findings)
        for warning in caught:
            if isinstance(warning.message, StorageValidationWarning):
                _note(warning.message.warnings(), path, mirror, findings)


def run_ome_zarr_models(mirror: Path, ome: dict[str, dict[str, Any]], findings: Findings) -> None:
    """Validate groups, `ome` gives their metadata by path, each with all that it leads to."""
    for path, own in ome.items():
        model = _model_of(own)
        if model is None:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                model.from_zarr(zarr.open_group(mirror / path, mode="r", zarr_format=3))
            except Exception as error:  # models, zarr-python and validators each raise their own
                text = _line(_cause(error), mirror)
                findings.error("ome-zarr-models", path, f"{model.__name__}: {text}")


def _model_of(ome: dict[str, Any]) -> Any:
    for key, model in (
        ("plate", HCS),
        ("well", Well),
        ("image-label", ImageLabel),
        ("multiscales", Image),
        ("labels", Labels),
    ):
        if key in ome:
            return model
    return None


def _note(details: Iterable[Any], path: str, mirror: Path, findings: Findings) -> None:
    for detail in details:
        place = ".".join(str(part) for part in detail.get("loc", ()))
        text = str(detail["msg"])
        context = detail.get("ctx") or {}
        if context.get("error") is not None and str(context["error"]) not in text:
            text = f"{text}: {context['error']}"
        where = f"{place}: " if place else ""
        findings.error(f"yaozarrs.{detail['type']}", path, where + _line(text, mirror))


def _cause(error: BaseException) -> BaseException:
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _line(text: object, mirror: Path) -> str:
    """One line that does not depend on where the copy lay."""
    line = " ".join(str(text).split())
    for place in (mirror.as_uri(), str(mirror)):
        line = line.replace(place, "output")
    return line if len(line) <= 600 else f"{line[:597]}..."
