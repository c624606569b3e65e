"""Datasets that an earlier version converted, whose work files have other names.

A finished dataset is left as it is: its plan, its verdict and its output belong to the user, who
also decides what to do with the others.
"""

import json
import shlex
from collections.abc import Mapping
from pathlib import Path

from uplift.settings.columns import Sample
from uplift.settings.mistakes import MistakesError

_BATCHES = Path("batches", "summary.json")
"""Only earlier versions write it."""


def finished_before(samples: Mapping[str, Sample], results: str) -> list[str]:
    """Datasets of the sheet that an earlier version finished.

    Raises
    ------
    MistakesError
        One line for each that an earlier version began and did not finish, or whose plan was
        edited since it was converted.
    """
    finished, lines = [], []
    for dataset in samples:
        folder = Path(results, dataset)
        if not (folder / _BATCHES).is_file():
            continue
        if not (folder / "published.json").is_file():
            lines.append(
                f"{folder}: an earlier version began this conversion and did not finish it; "
                f"finish it with that version, or begin again: {how_to_convert_again(folder)}"
            )
        elif _is_edited_since(folder):
            lines.append(
                f"{folder / 'plan.json'}: was edited after an earlier version had converted the "
                f"dataset; to convert it by the edited plan: {how_to_convert_again(folder)}"
            )
        else:
            finished.append(dataset)
    if lines:
        raise MistakesError(lines)
    return finished


def note_on(finished: list[str], results: str) -> str:
    """Message about datasets that are left as they are."""
    some = ", ".join(finished[:3]) + (", ..." if len(finished) > 3 else "")
    again = how_to_convert_again(Path(results, finished[0]))
    return (
        f"Left as an earlier version finished it: {some} ({len(finished)} in all); to convert "
        f"{finished[0]} again: {again}"
    )


def how_to_convert_again(folder: Path) -> str:
    """Command that converts a dataset from scratch, with its current plan."""
    kept = folder.parent.with_name(f"{folder.parent.name}.earlier")
    here, there, plan = (shlex.quote(str(path)) for path in (folder, kept, kept / folder.name))
    return (
        f"mkdir -p {there} && mv {here} {there} && mkdir {here} && cp {plan}/plan.json {here}, "
        "then run with overwrite=true"
    )


def _is_edited_since(folder: Path) -> bool:
    """Whether the plan differs from the one that was converted: an edited plan was copied then."""
    plan, copy = folder / "plan.json", folder / "plan.json~"
    if not plan.is_file() or plan.stat().st_mtime_ns <= (folder / _BATCHES).stat().st_mtime_ns:
        return False
    if copy.is_file():
        return copy.read_bytes() != plan.read_bytes()
    # the codecs come with it: too much for each start
    from uplift.planning.plan_files import is_edited

    try:
        return is_edited(json.loads(plan.read_bytes()))
    except ValueError:
        return True
