"""Plans as people write them: parse, complete, apply rules, tell an edited plan. No I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from uplift.errors import PlanError
from uplift.models.arrays import Method, TargetArray
from uplift.models.base import nearest
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.json_text import sha256_of_json
from uplift.models.plan import Plan, PlanArray, PlanRule
from uplift.planning import estimates
from uplift.planning.checks import RECODE_MEMORY_MIB, Wish, carry_out, shape_text
from uplift.planning.parameter_files import entries_of_levels, entries_of_paths, is_mapping

_SHOWN = ("method", "objects", "bytes")
_RULE_KEYS = ("chunks", "shards", "codecs")

Propose = Callable[[InventoryArray], PlanArray]
"""What would be proposed for one array."""


@dataclass(frozen=True)
class Decision:
    """What becomes of the files of a plan.

    Attributes
    ----------
    plan
        The plan in force.
    kept
        It is the one that stands there already, edited: leave the file as it is.
    proposed
        A fresh proposal to write beside an edited plan that was made from another one.
    warnings
        For the log.
    """

    plan: Plan
    kept: bool
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
        What would be proposed now.
    existing, supplied
        Decoded JSON and file name of the plan that stands there, and of the one the user gave.

    Raises
    ------
    PlanError
        A plan that cannot be carried out, or two that both want to be in force.
    InputError
        Unknown keys or wrong types.
    """

    def in_force(data: Any, where: str) -> tuple[Plan, list[str]]:
        parsed, warnings = parse_plan(data, inventory, where)
        plan, more = completed(parsed, inventory, propose, fresh.dataset, where)
        return with_predictions(plan, inventory, where, memory_mib), [*warnings, *more]

    edited = existing if existing is not None and is_edited(existing[0]) else None
    if supplied is not None:
        plan, warnings = in_force(*supplied)
        if edited is not None and content_digest(in_force(*edited)[0]) != content_digest(plan):
            raise PlanError(
                f"{edited[1]} was edited, and {supplied[1]} is supplied as well: move your edit "
                f"into {supplied[1]} and delete {edited[1]}, or do not supply the other"
            )
        return Decision(stamped(plan), False, None, tuple(warnings))
    if edited is None:
        return Decision(stamped(fresh), False, None, ())
    plan, warnings = in_force(*edited)
    differs = plan.generated_sha256 != content_digest(fresh)
    return Decision(plan, True, stamped(fresh) if differs else None, tuple(warnings))


def parse_plan(data: Any, inventory: Inventory, where: str) -> tuple[Plan, list[str]]:
    """Parse a plan or a parameter file of the challenge's tool; it need not name every array.

    Returns
    -------
    plan, warnings
        Each entry with the array's true shape.

    Raises
    ------
    PlanError
        An array that the source does not have or that stands there twice; content that is no plan.
    InputError
        Unknown keys or wrong types.
    """
    warnings: list[str] = []
    if isinstance(data, list):
        entries, warnings = entries_of_levels(data, inventory, where)
        data = {"arrays": entries}
    elif is_mapping(data):
        data = {"arrays": entries_of_paths(data, where)}
    if not isinstance(data, dict) or not isinstance(data.get("arrays", []), list):
        raise PlanError(
            f"{where}: neither a plan nor a parameter file; start from the generated plan.json"
        )
    head = {key: value for key, value in data.items() if key not in ("arrays", "estimate")}
    plan = Plan.parse({"dataset": "", **head, "arrays": []}, where)
    by_path = {entry.path: entry for entry in inventory.arrays}
    arrays: dict[str, PlanArray] = {}
    for number, item in enumerate(data.get("arrays", [])):
        array, warning = _parse_array(item, number, by_path, where)
        if array.path in arrays:
            raise PlanError(f'{where}: arrays["{array.path}"] is there twice; keep one')
        arrays[array.path] = array
        warnings += warning
    return plan.model_copy(update={"arrays": tuple(arrays.values())}), warnings


def completed(
    plan: Plan, inventory: Inventory, propose: Propose, dataset: str, where: str
) -> tuple[Plan, list[str]]:
    """Bring a plan into the inventory's order, with proposals for arrays it does not name."""
    given = {array.path: array for array in plan.arrays}
    entries = [entry for entry in inventory.arrays if entry.problem is None]
    missing = [entry.path for entry in entries if entry.path not in given]
    warnings = []
    if missing:
        warnings.append(
            f"{where}: does not name {len(missing)} of {len(entries)} arrays "
            f"(first: {missing[0] or '/'}): planned as proposed"
        )
    arrays = tuple(given.get(entry.path) or propose(entry) for entry in entries)
    return plan.model_copy(update={"dataset": dataset, "arrays": arrays}), warnings


def effective_arrays(
    plan: Plan,
    inventory: Inventory,
    where: str = "plan.json",
    memory_mib: int = RECODE_MEMORY_MIB,
) -> dict[str, tuple[TargetArray, Method]]:
    """Apply a plan's rules, top to bottom, and check that every array can be carried out.

    Raises
    ------
    PlanError
        The first mistake, with both numbers and a value that would work; a rule that matches no
        array; an array that the plan lacks.
    """
    given = {array.path: array for array in plan.arrays}
    rules = [(rule, glob_pattern(rule.match)) for rule in plan.rules]
    _check_rules(rules, inventory, where)
    effective = {}
    for entry in inventory.arrays:
        if entry.problem is not None:
            continue
        if entry.path not in given:
            raise PlanError(f'{where}: arrays["{entry.path}"] is missing: run the plan step again')
        wish = _wish(given[entry.path], entry, rules, where)
        effective[entry.path] = carry_out(wish, memory_mib)
    return effective


def with_predictions(
    plan: Plan, inventory: Inventory, where: str, memory_mib: int = RECODE_MEMORY_MIB
) -> Plan:
    """Fill in what a plan only shows: its estimate, and each array's method, objects and bytes.

    Raises
    ------
    PlanError
        As :func:`effective_arrays`.
    """
    effective = effective_arrays(plan, inventory, where, memory_mib)
    entries = {entry.path: entry for entry in inventory.arrays}
    arrays = []
    for array in plan.arrays:
        if array.path in effective:
            target, method = effective[array.path]
            totals = estimates.predicted(entries[array.path], target, method)
            shown = {"method": method, "objects": totals.objects, "bytes": totals.bytes}
            arrays.append(array.model_copy(update=shown))
    estimate = estimates.estimate_of(inventory, effective)
    return plan.model_copy(update={"estimate": estimate, "arrays": tuple(arrays)})


def stamped(plan: Plan) -> Plan:
    """Note in a plan the digest of its own content, so that a later edit shows."""
    return plan.model_copy(update={"generated_sha256": content_digest(plan)})


def content_digest(plan: Plan) -> str:
    """Digest of what a plan says; what it only shows does not count."""
    return _digest(plan.to_json())


def is_edited(data: Any) -> bool:
    """Whether decoded JSON is anything else than a plan exactly as it was generated."""
    if not isinstance(data, dict) or not isinstance(data.get("generated_sha256"), str):
        return True
    arrays = data.get("arrays")
    if not isinstance(arrays, list) or not all(isinstance(item, dict) for item in arrays):
        return True
    return bool(data["generated_sha256"] != _digest(data))


def glob_pattern(glob: str) -> re.Pattern[str]:
    """Compile a glob over array paths: ``*`` and ``?`` stay inside a segment, ``**`` crosses."""
    meanings = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[!?[^\]/]+\])", glob)
    text = ""
    for part in parts:
        if part in meanings:
            text += meanings[part]
        elif re.fullmatch(r"\[!?[^\]/]+\]", part):
            inner = part[1:-1].replace("\\", "\\\\").replace("^", "\\^").replace("[", "\\[")
            text += f"[^/{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"
        else:
            text += re.escape(part)
    return re.compile(text, re.DOTALL)


def _digest(data: Mapping[str, Any]) -> str:
    arrays = [
        {key: value for key, value in item.items() if key not in _SHOWN} for item in data["arrays"]
    ]
    said = {"dataset": data.get("dataset"), "rules": data.get("rules", []), "arrays": arrays}
    extra = set(data) - {*said, "schema", "generated_sha256", "estimate"}
    return sha256_of_json({**said, "extra": sorted(extra)} if extra else said)


def _parse_array(
    item: Any, number: int, entries: Mapping[str, InventoryArray], where: str
) -> tuple[PlanArray, list[str]]:
    path = item.get("path") if isinstance(item, dict) else None
    if not isinstance(path, str):
        raise PlanError(f'{where}: arrays[{number}] has no "path"; add the path of an array')
    if path not in entries:
        raise PlanError(
            f'{where}: arrays["{path}"]: the source has no such array{nearest(path, [*entries])}'
        )
    place, shape = f'{where}: arrays["{path}"]', entries[path].source.shape
    data = {key: value for key, value in item.items() if key not in _SHOWN}
    array = PlanArray.parse({"shape": shape, **data}, place)
    if array.shape == shape:
        return array, []
    warning = (
        f"{place}.shape {shape_text(array.shape)} is ignored: the array has {shape_text(shape)}"
    )
    return array.model_copy(update={"shape": shape}), [warning]


def _check_rules(
    rules: list[tuple[PlanRule, re.Pattern[str]]], inventory: Inventory, where: str
) -> None:
    paths = [entry.path for entry in inventory.arrays]
    for number, (rule, pattern) in enumerate(rules):
        if not any(pattern.fullmatch(path) for path in paths):
            raise PlanError(
                f'{where}: rules[{number}].match "{rule.match}" matches no array'
                f"{nearest(rule.match, paths[:20])}"
            )
        for key in ("chunks", "codecs"):
            if key in rule.model_fields_set and getattr(rule, key) is None:
                raise PlanError(f"{where}: rules[{number}].{key} is null; leave it out, or set it")


def _wish(
    array: PlanArray,
    entry: InventoryArray,
    rules: list[tuple[PlanRule, re.Pattern[str]]],
    where: str,
) -> Wish:
    """What a plan asks of one array after every rule that matches, the last one strongest."""
    values = {key: getattr(array, key) for key in _RULE_KEYS}
    origins = {}
    for number, (rule, pattern) in enumerate(rules):
        if pattern.fullmatch(array.path):
            for key in rule.model_fields_set.intersection(_RULE_KEYS):
                values[key] = getattr(rule, key)
                origins[key] = f"rules[{number}]"
    return Wish(entry=entry, where=f'{where}: arrays["{array.path}"]', origins=origins, **values)
