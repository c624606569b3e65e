"""Read, check, merge and write plans: pure functions on decoded JSON and models."""

from __future__ import annotations

import fnmatch
import re
from typing import Any

from uplift.errors import PlanError
from uplift.models.arrays import Method, TargetArray
from uplift.models.base import nearest
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Plan, PlanArray, PlanRule
from uplift.planning import target_and_method
from uplift.records import sha256_of_json

Effective = dict[str, tuple[TargetArray, Method]]

_RULE_KEYS = ("chunks", "shards", "codecs")


def render_plan(plan: Plan) -> dict[str, Any]:
    """Plain JSON of a plan in reading order; ``"shards": null`` is written out."""
    data: dict[str, Any] = {
        "schema": plan.schema_,
        "dataset": plan.dataset,
        "generated_sha256": plan.generated_sha256,
    }
    if plan.estimate is not None:
        data["estimate"] = plan.estimate.to_json()
    data["rules"] = [_render_rule(rule) for rule in plan.rules]
    data["arrays"] = [_render_array(array) for array in plan.arrays]
    return data


def plan_digest(plan: Plan) -> str:
    """Digest of what a plan says; what it only shows (estimate, method, objects, bytes) is out."""
    return sha256_of_json(
        [
            plan.dataset,
            [_render_rule(rule) for rule in plan.rules],
            [[a.path, a.chunks, a.shards, a.codecs] for a in plan.arrays],
        ]
    )


def stamped(plan: Plan) -> Plan:
    """Note in the plan the digest of its own content, so that a later edit shows."""
    return plan.model_copy(update={"generated_sha256": plan_digest(plan)})


def is_edited(plan: Plan) -> bool:
    """Whether somebody changed the plan since it was generated."""
    return plan.generated_sha256 != plan_digest(plan)


def parse_plan(data: Any, proposal: Plan, where: str) -> tuple[Plan, list[str]]:
    """Parse a plan, or one of the challenge tool's parameter files, against a fresh proposal.

    A parameter file is a list of ``{"shape", "chunks", "shards"}`` in the order of the
    multiscales' datasets, or a mapping from array path to such an object.

    Parameters
    ----------
    proposal
        The plan as it would be generated now: arrays the file does not name are taken from it.
    where
        File, for messages.

    Returns
    -------
    plan, warnings
        Every array of the proposal, in its order.

    Raises
    ------
    PlanError
        An unknown array, or content that is no plan.
    InputError
        Unknown keys, wrong types.
    """
    if isinstance(data, list):
        data = {"arrays": _from_levels(data, proposal, where), "dataset": proposal.dataset}
        partial = True
    elif isinstance(data, dict) and "arrays" not in data and "rules" not in data:
        entries = [{"path": path, **_entry(value, where)} for path, value in data.items()]
        data = {"arrays": entries, "dataset": proposal.dataset}
        partial = True
    else:
        partial = False
    if not isinstance(data, dict):
        raise PlanError(f"{where}: neither a plan nor a parameter file; start from plan.json")
    data = {"dataset": proposal.dataset, "arrays": [], **data}
    data.pop("estimate", None)
    shapes = {array.path: array for array in proposal.arrays}
    data["arrays"] = [_completed(entry, shapes, where) for entry in _list(data["arrays"], where)]
    plan = Plan.parse(data, where)
    return _merged(plan, proposal, where, partial=partial)


def effective_arrays(plan: Plan, inventory: Inventory, where: str = "plan.json") -> Effective:
    """Apply a plan's rules and check that every array can be carried out.

    Raises
    ------
    PlanError
        The first entry that cannot be carried out, with the numbers and a value that would work.
    """
    entries = {e.path: e for e in inventory.arrays if e.problem is None}
    rules = [(rule, _glob(rule.match)) for rule in plan.rules]
    for number, (rule, pattern) in enumerate(rules):
        if not any(pattern.fullmatch(path) for path in entries):
            raise PlanError(
                f'{where}: rules[{number}].match "{rule.match}" fits no array; arrays are named '
                f"like {', '.join(repr(path) for path in list(entries)[:3])}"
            )
    effective: Effective = {}
    for array in plan.arrays:
        if array.path in entries:
            effective[array.path] = _effective(array, rules, entries[array.path], where)
    return effective


def apply_rules(array: PlanArray, rules: tuple[PlanRule, ...]) -> PlanArray:
    """Entry of an array after every rule that matches its path, the last rule strongest."""
    for rule in rules:
        if _glob(rule.match).fullmatch(array.path):
            array = _changed(array, rule)
    return array


def _effective(
    array: PlanArray,
    rules: list[tuple[PlanRule, re.Pattern[str]]],
    entry: InventoryArray,
    where: str,
) -> tuple[TargetArray, Method]:
    for rule, pattern in rules:
        if pattern.fullmatch(array.path):
            array = _changed(array, rule)
    try:
        return target_and_method(entry, array)
    except PlanError as error:
        axes = entry.axes
        text = str(error)
        if axes is not None:
            text = re.sub(r"on axis (\d+)", lambda m: f"on axis {axes[int(m.group(1))]}", text)
        raise PlanError(f"{where}: {text}") from None


def _changed(array: PlanArray, rule: PlanRule) -> PlanArray:
    return array.model_copy(
        update={key: getattr(rule, key) for key in _RULE_KEYS if key in rule.model_fields_set}
    )


def _glob(pattern: str) -> re.Pattern[str]:
    """``*`` and ``?`` stay inside one path segment, ``**`` crosses segments."""
    parts = []
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]*\])", pattern):
        if piece == "**/":
            parts.append("(?:.*/)?")
        elif piece == "**":
            parts.append(".*")
        elif piece == "*":
            parts.append("[^/]*")
        elif piece == "?":
            parts.append("[^/]")
        elif piece.startswith("[") and piece.endswith("]"):
            parts.append(re.sub(r"\\Z$|\(\?s:|\)\\Z", "", fnmatch.translate(piece)))
        else:
            parts.append(re.escape(piece))
    return re.compile("".join(parts), re.DOTALL)


def _merged(plan: Plan, proposal: Plan, where: str, *, partial: bool) -> tuple[Plan, list[str]]:
    given = {array.path: array for array in plan.arrays}
    warnings = []
    known = [array.path for array in proposal.arrays]
    for path in given:
        if path not in known:
            raise PlanError(
                f'{where}: arrays["{path}"]: the source has no such array'
                f"{nearest(path, known[:50])}"
            )
    arrays = []
    for proposed in proposal.arrays:
        entry = given.get(proposed.path)
        if entry is None:
            if not partial:
                warnings.append(f'{where}: arrays["{proposed.path}"] is missing; planned anew')
            arrays.append(proposed)
            continue
        if entry.shape != proposed.shape:
            warnings.append(
                f'{where}: arrays["{entry.path}"].shape {list(entry.shape)} is ignored; the '
                f"array has {list(proposed.shape)}"
            )
        arrays.append(entry.model_copy(update={"shape": proposed.shape}))
    return plan.model_copy(update={"arrays": tuple(arrays)}), warnings


def _completed(entry: Any, shapes: dict[str, PlanArray], where: str) -> Any:
    """Fill in what an entry leaves out from the proposal; shown fields are dropped."""
    if not isinstance(entry, dict):
        return entry
    entry = {key: v for key, v in entry.items() if key not in ("method", "objects", "bytes")}
    proposed = shapes.get(str(entry.get("path")))
    if proposed is None:
        if "path" in entry and {"shape", "chunks", "shards"} - set(entry):
            path = str(entry["path"])
            hint = nearest(path, list(shapes)[:50])
            raise PlanError(f'{where}: arrays["{path}"]: the source has no such array{hint}')
        return entry
    base = {"shape": proposed.shape, "chunks": proposed.chunks, "shards": proposed.shards}
    return {**base, **entry}


def _from_levels(levels: list[Any], proposal: Plan, where: str) -> list[dict[str, Any]]:
    """Give each array whose path ends in a level's number the entry of that number."""
    entries = []
    by_folder: dict[str, list[PlanArray]] = {}
    for array in proposal.arrays:
        by_folder.setdefault(array.path.rpartition("/")[0], []).append(array)
    for arrays in by_folder.values():
        for array, level in zip(arrays, levels, strict=False):
            value = _entry(level, where)
            if len(value.get("chunks") or array.shape) == len(array.shape):
                entries.append({"path": array.path, **value})
    if not entries:
        raise PlanError(
            f"{where}: a list of {len(levels)} entries fits no array of this dataset; name the "
            "arrays instead: a mapping from array path to {shape, chunks, shards}"
        )
    return entries


def _entry(value: Any, where: str) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) - {"shape", "chunks", "shards"}:
        raise PlanError(
            f"{where}: {str(value)[:60]!r} is no entry of a plan; expected an object with shape, "
            "chunks and shards"
        )
    return value


def _list(value: Any, where: str) -> list[Any]:
    if not isinstance(value, list):
        raise PlanError(f"{where}: arrays is no list; start from the generated plan.json")
    return value


def _render_rule(rule: PlanRule) -> dict[str, Any]:
    data: dict[str, Any] = {"match": rule.match}
    for key in _RULE_KEYS:
        if key in rule.model_fields_set:
            data[key] = getattr(rule, key)
    return data


def _render_array(array: PlanArray) -> dict[str, Any]:
    data: dict[str, Any] = {
        "path": array.path,
        "shape": array.shape,
        "chunks": array.chunks,
        "shards": array.shards,
        "codecs": array.codecs,
    }
    for key in ("method", "objects", "bytes"):
        if getattr(array, key) is not None:
            data[key] = getattr(array, key)
    return data
