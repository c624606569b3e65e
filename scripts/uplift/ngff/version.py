"""What a version of OME-Zarr is."""

from collections.abc import Callable
from dataclasses import dataclass

from uplift.ngff.draft import Draft
from uplift.ngff.registry import Check, Rule


@dataclass(frozen=True)
class Target:
    """What metadata of a version have to be, and how those of an older one become so.

    Attributes
    ----------
    rules
        What the format asks of the metadata of one group.
    finish
        Makes the edits that only the version asks for, once the words are repaired.
    """

    rules: tuple[Rule[Check], ...]
    finish: Callable[[Draft, str | None], None]


@dataclass(frozen=True)
class Version:
    """One version of OME-Zarr.

    Attributes
    ----------
    says_scales
        Whether its multiscales give scales, and describe their axes as objects.
    target
        Where it can be the version of an output.
    """

    name: str
    says_scales: bool = True
    target: Target | None = None
