"""Plans as people write them: parse, complete, apply rules, recognize an edited plan. No I/O."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from uplift.errors import PlanError
from uplift.models.arrays import Method, TargetArray
from uplift.models.base import nearest
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.json_text import sha256_of_json
from uplift.models.plan import Plan, PlanArray, PlanRule
from uplift.planning import estimates
from uplift.planning.checks import Wanted, shape_text, target_for
from uplift.planning.costs import estimated
from uplift.planning.estimates import RECODE_MEMORY_MIB, Targets
from uplift.planning.parameter_files import entries_of_levels, entries_of_paths, is_mapping
from uplift.planning.proposal import plan_array
from uplift.planning.reasons import reason_of

_SHOWN = ("method", "reason", "objects", "bytes")
_RULE_KEYS = ("chunks", "shards", "codecs")

Propose = Callable[[InventoryArray], PlanArray]
"""What would be proposed for one array."""


def resolved(
    data: Any, inventory: Inventory, dataset: str, where: str
) -> tuple[Plan, Targets, list[str]]:
    """Read a plan as it is in its file; all else that is needed is the source's inventory.

    Parameters
    ----------
    data
        Content of the file, decoded.
    inventory
        Of the source.
    dataset
        Its name in the sheet.
    where
        Names the file in messages.

    Returns
    -------
    plan, targets, warnings
        The plan with every array, target and method of each, and warnings.

    Raises
    ------
    PlanError
        It cannot be carried out, or leaves out arrays and does not say with which settings these
        are planned.
    """
    parsed, warnings = parse_plan(data, inventory, where)
    settings = parsed.settings

    def propose(entry: InventoryArray) -> PlanArray:
        if settings is None:
            raise PlanError(
                f'{where}: arrays["{entry.path}"] is missing, and so are the settings to plan it '
                "with: run the plan step again (snakemake -R plan)"
            )
        return plan_array(entry, settings)

    plan, more = completed(parsed, inventory, propose, dataset, where)
    # a plan of an earlier version was checked against the memory of its config when it was made
    memory_mib = settings.recode_memory_mib if settings is not None else None
    return plan, targets_of_plan(plan, inventory, where, memory_mib), [*warnings, *more]


def parse_plan(data: Any, inventory: Inventory, where: str) -> tuple[Plan, list[str]]:
    """Parse a plan or a parameter file of the challenge's tool; it need not name every array.

    Parameters
    ----------
    data
        Content of the file, decoded.
    inventory
        Of the source.
    where
        Names the file in messages.

    Returns
    -------
    plan, warnings
        Each entry with the array's true shape.

    Raises
    ------
    PlanError
        An array that the source does not have, or that is named twice; content of another kind.
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
    """Bring a plan into the inventory's order, with proposals for arrays it does not name.

    Parameters
    ----------
    plan
        Which may leave arrays out.
    inventory
        Of the source.
    propose
        Plans an array that the plan leaves out.
    dataset
        Its name in the sheet.
    where
        Names the plan in warnings.

    Returns
    -------
    tuple[Plan, list[str]]
        The plan with every array, and warnings.
    """
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


def targets_of_plan(
    plan: Plan,
    inventory: Inventory,
    where: str = "plan.json",
    memory_mib: int | None = RECODE_MEMORY_MIB,
) -> dict[str, tuple[TargetArray, Method]]:
    """Apply a plan's rules, top to bottom, and check that every array can be carried out.

    Parameters
    ----------
    memory_mib
        Memory that recoding one stored object may take; None: not checked.

    Returns
    -------
    dict[str, tuple[TargetArray, Method]]
        Array path to target and method.

    Raises
    ------
    PlanError
        The first mistake, with both numbers and a value that would work; a rule that matches no
        array; an array that the plan lacks.
    """
    all_wanted = _all_wanted(plan, inventory, where)
    return {wanted.entry.path: target_for(wanted, memory_mib) for wanted in all_wanted}


def with_predictions(
    plan: Plan,
    inventory: Inventory,
    where: str,
    memory_mib: int | None = RECODE_MEMORY_MIB,
) -> Plan:
    """Fill in what a plan only shows: its estimate, and each array's method, objects and bytes.

    Parameters
    ----------
    plan
        With every array.
    inventory
        Of the source.
    where
        Names the plan in messages.
    memory_mib
        Memory that recoding one stored object may take; None: not checked.

    Returns
    -------
    Plan
        The same plan, with what it only shows.

    Raises
    ------
    PlanError
        As :func:`targets_of_plan`.
    """
    targets, shown = {}, {}
    for wanted in _all_wanted(plan, inventory, where):
        path = wanted.entry.path
        targets[path] = target, method = target_for(wanted, memory_mib)
        totals = estimates.predicted(wanted.entry, target, method)
        reason = reason_of(wanted, target, method)
        shown[path] = {"method": method, "reason": reason, **totals.to_json()}
    arrays = tuple(a.model_copy(update=shown[a.path]) for a in plan.arrays if a.path in shown)
    estimate = estimated(inventory, targets)
    return plan.model_copy(update={"estimate": estimate, "arrays": arrays})


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
    extra = set(data) - {*said, "schema", "generated_sha256", "estimate", "settings"}
    return sha256_of_json({**said, "extra": sorted(extra)} if extra else said)


def _all_wanted(plan: Plan, inventory: Inventory, where: str) -> Iterator[Wanted]:
    """What a plan asks of each array that can be converted, in the inventory's order."""
    given = {array.path: array for array in plan.arrays}
    rules = [(rule, glob_pattern(rule.match)) for rule in plan.rules]
    _check_rules(rules, inventory, where)
    for entry in inventory.arrays:
        if entry.problem is not None:
            continue
        if entry.path not in given:
            raise PlanError(f'{where}: arrays["{entry.path}"] is missing: run the plan step again')
        yield _wanted(given[entry.path], entry, rules, where)


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
    named, shape = f'{where}: arrays["{path}"]', entries[path].source.shape
    data = {key: value for key, value in item.items() if key not in _SHOWN}
    array = PlanArray.parse({"shape": shape, **data}, named)
    if array.shape == shape:
        return array, []
    warning = (
        f"{named}.shape {shape_text(array.shape)} is ignored: the array has {shape_text(shape)}"
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


def _wanted(
    array: PlanArray,
    entry: InventoryArray,
    rules: list[tuple[PlanRule, re.Pattern[str]]],
    where: str,
) -> Wanted:
    """What a plan asks of one array after every rule that matches, of which the last one wins."""
    values = {key: getattr(array, key) for key in _RULE_KEYS}
    origins = {}
    for number, (rule, pattern) in enumerate(rules):
        if pattern.fullmatch(array.path):
            for key in rule.model_fields_set.intersection(_RULE_KEYS):
                values[key] = getattr(rule, key)
                origins[key] = f"rules[{number}]"
    return Wanted(entry=entry, where=f'{where}: arrays["{array.path}"]', origins=origins, **values)
