"""Propose a plan: chunks, shards and codecs of every array, by the settings. No I/O."""

from dataclasses import replace

from uplift import grid
from uplift.codecs.mapping import may_shard, ordered_codecs
from uplift.errors import PlanError
from uplift.grid import Shape
from uplift.models.arrays import Method, TargetArray
from uplift.models.base import nearest
from uplift.models.inventory import Inventory, InventoryArray
from uplift.models.plan import Lengths, Plan, PlanArray, PlanSettings
from uplift.planning import estimates
from uplift.planning.checks import Wanted, check_lengths, shape_text, target_for
from uplift.planning.costs import estimated
from uplift.planning.heuristics import axis_roles, propose_chunks, propose_shards
from uplift.planning.reasons import reason_of


def propose_plan(inventory: Inventory, settings: PlanSettings, dataset: str) -> Plan:
    """Propose chunks, shards and codecs of every array that can be converted.

    Parameters
    ----------
    inventory
        Of the source.
    settings
        Of the proposals.
    dataset
        Its name in the sheet.

    Returns
    -------
    Plan
        A plan with its estimate.

    Raises
    ------
    PlanError
        A setting that fits no array, or cannot be carried out.
    """
    _check_settings(inventory, settings)
    entries = [entry for entry in inventory.arrays if entry.problem is None]
    planned = [_planned(entry, settings) for entry in entries]
    targets = {array.path: after for array, after in planned}
    return Plan(
        dataset=dataset,
        arrays=tuple(array for array, _ in planned),
        estimate=estimated(inventory, targets),
        settings=settings,
    )


def plan_array(entry: InventoryArray, settings: PlanSettings) -> PlanArray:
    """Propose chunks, shards and codecs of one array.

    Raises
    ------
    PlanError
        A setting that cannot be carried out, with the numbers and a value that would work.
    """
    return _planned(entry, settings)[0]


def _planned(
    entry: InventoryArray, settings: PlanSettings
) -> tuple[PlanArray, tuple[TargetArray, Method]]:
    where, origins = f'arrays["{entry.path}"]', {}
    chunks = _set_chunks(entry, settings)
    if chunks is not None:
        origins["chunks"] = "the setting chunks"
        check_lengths(Wanted(entry, chunks, None, "keep", where, origins))
        shards = _set_shards(entry, chunks, settings)
    else:
        chunks = propose_chunks(entry, settings)
        shards = _set_shards(entry, chunks, settings)
        kept = _set_shards(entry, entry.source.chunks, settings)
        if not _divides(chunks, shards) and _divides(entry.source.chunks, kept):
            chunks, shards = entry.source.chunks, kept
    if shards is not None:
        origins["shards"] = "the setting shards"
    elif settings.shards != "none" and may_shard(entry.source):
        shards = propose_shards(entry, chunks, settings)
    if settings.codec != "keep":
        origins["codecs"] = "the setting codec"
    wanted = Wanted(entry, chunks, shards, settings.codec, where, origins)
    wanted = _in_c_order(wanted, settings) or wanted
    target, method = target_for(wanted, settings.recode_memory_mib)
    totals = estimates.predicted(entry, target, method)
    array = PlanArray(
        path=entry.path,
        shape=entry.source.shape,
        chunks=chunks,
        shards=shards,
        codecs=wanted.codecs,
        method=method,
        reason=reason_of(wanted, target, method),
        objects=totals.objects,
        bytes=totals.bytes,
    )
    return array, (target, method)


def _in_c_order(wanted: Wanted, settings: PlanSettings) -> Wanted | None:
    """The same for an image in F order, with codecs in C order; None when it is kept as it is."""
    if settings.image_order == "keep" or settings.codec != "keep" or wanted.entry.role != "level":
        return None
    codecs = ordered_codecs(wanted.entry.source)
    if codecs is None:
        return None
    ordered = replace(wanted, codecs=codecs)
    try:
        target_for(ordered, settings.recode_memory_mib)
    except PlanError:  # too large to be decoded within the memory: better kept than refused
        return None
    return ordered


def setting_notes(inventory: Inventory, settings: PlanSettings) -> list[str]:
    """Say which arrays the settings `chunks` and `shards` do not fit."""
    notes = []
    for key, value in (("chunks", settings.chunks), ("shards", settings.shards)):
        if not isinstance(value, (tuple, dict)):
            continue
        paths = [e.path for e in inventory.arrays if e.problem is None and not _fits(value, e)]
        if paths:
            notes.append(
                f"the setting {key} {_lengths_text(value)} does not fit {len(paths)} arrays "
                f"with other axes (first: {paths[0] or '/'}): decided for each of them"
            )
    return notes


def _fits(value: Lengths, entry: InventoryArray) -> bool:
    if isinstance(value, dict):
        return bool(value.keys() & set(axis_roles(entry)))
    return len(value) == len(entry.source.shape)


def _lengths_text(value: Lengths) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {n}" for name, n in value.items()) + "}"
    return shape_text(value)


def _check_settings(inventory: Inventory, settings: PlanSettings) -> None:
    entries = [entry for entry in inventory.arrays if entry.problem is None]
    for key, value in (("chunks", settings.chunks), ("shards", settings.shards)):
        if not entries or not isinstance(value, (tuple, dict)):
            continue
        start = f"the setting {key} {_lengths_text(value)}"
        if isinstance(value, dict):
            names = {role for entry in entries for role in axis_roles(entry)} - {""}
            for name in value:
                if name not in names:
                    hint = nearest(name, sorted(names))
                    raise PlanError(f'{start} names axis "{name}", which no array has{hint}')
        elif not any(_fits(value, entry) for entry in entries):
            counts = sorted({len(entry.source.shape) for entry in entries})
            raise PlanError(
                f"{start} has {len(value)} lengths, the arrays have "
                f"{' or '.join(map(str, counts))} axes: use {counts[-1]}, "
                f"e.g. {shape_text(_widest(entries).source.chunks)}"
            )


def _widest(entries: list[InventoryArray]) -> InventoryArray:
    return max(entries, key=lambda entry: len(entry.source.shape))


def _set_chunks(entry: InventoryArray, settings: PlanSettings) -> Shape | None:
    """Chunks the user set, cut where both the array and its chunks are shorter."""
    value, source = settings.chunks, entry.source
    if value is None or not _fits(value, entry):
        return None
    if isinstance(value, dict):
        roles = axis_roles(entry)
        value = tuple(value.get(r, c) for r, c in zip(roles, source.chunks, strict=True))
    return tuple(
        min(n, max(length, c, 1))
        for n, length, c in zip(value, source.shape, source.chunks, strict=True)
    )


def _set_shards(entry: InventoryArray, chunks: Shape, settings: PlanSettings) -> Shape | None:
    """Shards the user set, cut to the smallest multiple of `chunks` that covers the array."""
    value = settings.shards
    if value is None or value == "none" or not _fits(value, entry) or not may_shard(entry.source):
        return None
    if isinstance(value, dict):
        roles = axis_roles(entry)
        value = tuple(value.get(r, c) for r, c in zip(roles, chunks, strict=True))
    return tuple(
        min(n, max(1, grid.ceil_div(length, c)) * c) if c > 0 else n
        for n, length, c in zip(value, entry.source.shape, chunks, strict=True)
    )


def _divides(chunks: Shape, shards: Shape | None) -> bool:
    """Whether shards are a multiple of their chunks (unsharded always fits)."""
    if shards is None or len(shards) != len(chunks):
        return True
    return all(c > 0 and s % c == 0 for s, c in zip(shards, chunks, strict=True))
