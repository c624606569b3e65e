"""Where a published dataset is and what it was made from: as it was then, not as the sheet is now.

The sheet may name another output or source since, at which nothing was made.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from uplift.outputs.keys import LOCK_KEY, ROOT_KEY
from uplift.outputs.overlap import is_same_location
from uplift.storage import is_local, local_path
from uplift.work.folder import WorkFolder
from uplift.work.made_from import source_of


def output_of(published: Mapping[str, Any], claim: Mapping[str, Any], asked: str | None) -> str:
    """Where a published dataset is, in the sheet's words where these name that location.

    Parameters
    ----------
    published, claim
        ``published.json``, whose path is absolute, and ``claim.json``, which has the sheet's words
        of then: a folder that was moved with its outputs has them still. Earlier versions noted
        none.
    asked
        Output of the row; None where the dataset is no longer in the sheet.

    Returns
    -------
    str
        A folder or a URL.
    """
    there = str(published.get("output", ""))
    of_this = claim.get("output") == there
    words = claim.get("asked") if of_this else None
    if asked is None:
        return there if words is None else str(words)
    is_earlier = of_this and words is None
    is_there = asked == words or _is_same(there, asked) or (is_earlier and _ends_in(there, asked))
    return asked if is_there else there


def source_of_data(work: WorkFolder, asked: str | None) -> str | None:
    """What a published dataset was made from; None where nothing is known of it.

    Parameters
    ----------
    work
        Of the dataset.
    asked
        Input of the row, whose words count where they name that location.
    """
    made = source_of(work)
    if made is None or asked is None:
        return made
    # earlier versions noted the path in full, which a folder that was moved does not have any more
    is_earlier = not work.made_from.is_file()
    return asked if _is_same(made, asked) or (is_earlier and _ends_in(made, asked)) else made


def is_hidden(output: str, published: Mapping[str, Any], claim: Mapping[str, Any]) -> bool:
    """Whether an output was taken for a conversion since it was published, and not shown again.

    Parameters
    ----------
    output
        Where it is. One that is simply gone may have been moved away, and was valid.
    published, claim
        ``published.json`` and ``claim.json``: object stores are not asked.

    Returns
    -------
    bool
        Whether readers see no dataset there.
    """
    if is_local(output):
        folder = Path(local_path(output))
        return not (folder / ROOT_KEY).exists() and (folder / LOCK_KEY).exists()
    then, now = (one.get("generation", one.get("begun")) for one in (published, claim))
    is_same = claim.get("output") == published.get("output")
    return is_same and None not in (then, now) and then != now


def _is_same(there: str, asked: str) -> bool:
    return bool(there) and is_same_location(there, asked)


def _ends_in(there: str, asked: str) -> bool:
    return there.endswith(f"/{asked}")
