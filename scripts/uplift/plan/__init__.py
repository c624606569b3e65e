"""Plan a dataset: propose chunks, shards and codecs, and keep a plan that was edited."""

import functools
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from uplift.models.inventory import Inventory
from uplift.models.plan import Plan, PlanSettings
from uplift.plan.decision import decide, settings_in_force
from uplift.planning.batching import BatchSettings, skipped_arrays
from uplift.planning.plan_files import resolved, with_predictions
from uplift.planning.proposal import plan_array, propose_plan, setting_notes
from uplift.work import json_files

log = logging.getLogger(__name__)


def make_plan(
    inventory: Inventory,
    path: Path,
    *,
    dataset: str,
    given: Mapping[str, Any],
    supplied: Path | None = None,
    unsupported: Literal["fail", "skip"] = "fail",
) -> None:
    """Write ``plan.json`` unless it is up to date, and a different proposal next to an edited one.

    Parameters
    ----------
    path
        ``plan.json``, which may be an edited plan.
    given
        Settings of the config and the sheet, see :class:`PlanSettings`.
    supplied
        A plan or a parameter file to use instead of a proposal.
    unsupported
        What to do about arrays that cannot be converted.

    Raises
    ------
    PlanError
        A plan or setting that cannot be carried out.
    UnsupportedError
        An array cannot be converted, and must not be skipped.
    """
    skipped_arrays(inventory, BatchSettings(unsupported=unsupported))
    existing = _read(path) if path.exists() else None
    settings = PlanSettings.parse(dict(given), f"planning of {dataset}")
    settings = settings_in_force(settings, existing[0] if existing else None)
    decision = decide(
        inventory,
        propose_plan(inventory, settings, dataset),
        functools.partial(plan_array, settings=settings),
        existing=existing,
        supplied=_read(supplied) if supplied is not None else None,
        memory_mib=settings.recode_memory_mib,
    )
    for line in (*setting_notes(inventory, settings), *decision.warnings):
        log.warning("%s", line)
    proposed = path.with_name(f"{path.stem}.proposed{path.suffix}")
    if decision.proposed is not None:
        json_files.write_json(proposed, decision.proposed)
        log.warning("%s: what would be proposed now", proposed)
    else:
        proposed.unlink(missing_ok=True)
    if decision.kept:
        log.warning("%s: was edited and is kept; delete it to plan from scratch", path)
        json_files.keep_backup(path)
    if decision.write:
        json_files.write_json(path, decision.plan)


def current_plan(inventory: Inventory, path: Path, dataset: str) -> tuple[Plan, list[str]]:
    """Read ``plan.json``, edited or not, with its predictions updated.

    Parameters
    ----------
    inventory
        Of the source.
    path
        Of ``plan.json``.
    dataset
        Its name in the sheet.

    Returns
    -------
    plan, warnings
        With its estimate and the methods, objects and bytes of its arrays; what is unusual in it.

    Raises
    ------
    PlanError
        It cannot be carried out.
    """
    plan, _, warnings = resolved(json_files.read_json(path), inventory, dataset, str(path))
    return with_predictions(plan, inventory, str(path), None), warnings


def _read(path: Path) -> tuple[Any, str]:
    return json_files.read_json(path), str(path)
