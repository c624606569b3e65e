"""Inputs of the programs that work on batches: the plan in force, and finished slices."""

import argparse
from collections.abc import Iterable
from pathlib import Path

from uplift.errors import InputError
from uplift.models.inventory import Inventory
from uplift.models.slices import Slice
from uplift.planning.batching import BatchSettings
from uplift.planning.in_force import InForce, plan_in_force
from uplift.running import command
from uplift.work import json_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options that say what the plan in force is."""
    command.add_required(parser, "inventory", "plan", "dataset", "output")
    parser.add_argument("--batch-mib", type=int, default=4096, help="decoded size of a batch")
    parser.add_argument("--unsupported", choices=("fail", "skip"), default="fail")


def in_force(arguments: argparse.Namespace, inventory: Inventory | None = None) -> InForce:
    """Read the plan that is in force now; `inventory`, if it was read already."""
    return plan_in_force(
        inventory or json_files.read_model(arguments.inventory, Inventory),
        json_files.read_json(arguments.plan),
        BatchSettings(batch_mib=arguments.batch_mib, unsupported=arguments.unsupported),
        dataset=arguments.dataset,
        output=arguments.output,
        where=str(arguments.plan),
    )


def read_slices(files: Iterable[str], sha256: str | None = None) -> list[Slice]:
    """Read slices and make sure that all are of one plan.

    Parameters
    ----------
    files
        ``convert/<number>-of-<count>.json`` of all numbers.
    sha256
        Digest of the batches in force, where the caller knows it.

    Raises
    ------
    InputError
        The plan was edited while its jobs ran.
    """
    slices = [json_files.read_model(Path(file), Slice) for file in files]
    digests = {one.in_force_sha256 for one in slices} | ({sha256} if sha256 is not None else set())
    if len(digests) > 1:
        raise InputError(
            f"{slices[0].dataset}: the plan changed while its batches were converted; run again"
        )
    return slices
