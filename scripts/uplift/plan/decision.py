"""Which plan is in force: the supplied one, an edited one, or the current proposal. No I/O."""

from dataclasses import dataclass
from typing import Any

from uplift.errors import PlanError
from uplift.models.inventory import Inventory
from uplift.models.plan import Plan, PlanSettings
from uplift.planning.estimates import RECODE_MEMORY_MIB
from uplift.planning.plan_files import (
    Propose,
    completed,
    content_digest,
    is_edited,
    parse_plan,
    stamped,
    with_predictions,
)


@dataclass(frozen=True)
class Decision:
    """Which files of a plan to write.

    Attributes
    ----------
    plan
        The plan in force.
    kept
        It is the edited one that exists already.
    write
        Whether the file has to be written: not where it has this content already.
    proposed
        A new proposal to write next to an edited plan that was made from another one.
    warnings
        For the log.
    """

    plan: Plan
    kept: bool
    write: bool
    proposed: Plan | None
    warnings: tuple[str, ...]


def decide(
    inventory: Inventory,
    fresh: Plan,
    propose: Propose,
    *,
    existing: tuple[Any, str] | None = None,
    supplied: tuple[Any, str] | None = None,
    memory_mib: int = RECODE_MEMORY_MIB,
) -> Decision:
    """Choose the plan in force: the supplied one, else an edited one, else the fresh proposal.

    Parameters
    ----------
    fresh
        The current proposal.
    existing, supplied
        Decoded JSON and file name of the existing plan, and of the one the user gave.

    Returns
    -------
    Decision
        The plan in force, and which files to write.

    Raises
    ------
    PlanError
        A plan that cannot be carried out, or two different ones that could both be in force.
    InputError
        Unknown keys or wrong types.
    """

    def in_force(data: Any, where: str) -> tuple[Plan, list[str]]:
        parsed, warnings = parse_plan(data, inventory, where)
        plan, more = completed(parsed, inventory, propose, fresh.dataset, where)
        plan = plan.model_copy(update={"settings": _settings_of(parsed, plan, fresh.settings)})
        return with_predictions(plan, inventory, where, memory_mib), [*warnings, *more]

    edited = existing if existing is not None and is_edited(existing[0]) else None
    if supplied is not None:
        plan, warnings = in_force(*supplied)
        if edited is not None and content_digest(in_force(*edited)[0]) != content_digest(plan):
            raise PlanError(
                f"{edited[1]} was edited, and {supplied[1]} is supplied as well: move your edit "
                f"into {supplied[1]} and delete {edited[1]}, or do not supply the other"
            )
        return Decision(stamped(plan), False, True, None, tuple(warnings))
    if edited is None:
        write = existing is None or not _is_of_earlier_version(existing[0], fresh)
        return Decision(stamped(fresh), False, write, None, ())
    plan, warnings = in_force(*edited)
    differs = plan.generated_sha256 != content_digest(fresh)
    proposed = stamped(fresh) if differs else None
    return Decision(plan, True, not _is_complete(edited[0], plan), proposed, tuple(warnings))


def _settings_of(given: Plan, plan: Plan, now: PlanSettings | None) -> PlanSettings | None:
    """Settings to note in a plan that was given: those that all its arrays were planned with.

    The memory limit always comes from the config.
    """
    if given.settings is None or now is None or len(given.arrays) < len(plan.arrays):
        return now
    return given.settings.model_copy(update={"recode_memory_mib": now.recode_memory_mib})


def settings_in_force(settings: PlanSettings, existing: Any) -> PlanSettings:
    """Decide what ``image_order: auto`` means: an existing plan keeps the order it was made with.

    Otherwise a new default of a newer version would convert finished datasets again.

    Parameters
    ----------
    existing
        Decoded JSON of the existing plan, or None.
    """
    if settings.image_order != "auto":
        return settings
    made_with = existing.get("settings") if isinstance(existing, dict) else None
    order = made_with.get("image_order") if isinstance(made_with, dict) else None
    order = order if order in ("C", "keep") else "C" if existing is None else "keep"
    return settings.model_copy(update={"image_order": order})


def _is_of_earlier_version(data: Any, fresh: Plan) -> bool:
    """Whether a generated plan of a version without settings equals the current proposal.

    Such a file is kept: writing it again would make all later steps run again.
    """
    return "settings" not in data and bool(data["generated_sha256"] == content_digest(fresh))


def _is_complete(data: Any, plan: Plan) -> bool:
    """Whether an edited plan alone says how every array is converted, and within what memory.

    If not, it is written in full, so that no later step needs the config.
    """
    if not isinstance(data, dict) or not isinstance(data.get("arrays"), list):
        return False
    named = {array.get("path") for array in data["arrays"]}
    noted, settings = data.get("settings"), plan.settings
    allowed = (
        noted is None
        or settings is None
        or settings.recode_memory_mib == noted.get("recode_memory_mib", RECODE_MEMORY_MIB)
    )
    return allowed and named >= {array.path for array in plan.arrays}
