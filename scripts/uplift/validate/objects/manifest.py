"""``manifest.sha256``: the check sums of all objects of the output, as ``sha256sum -c`` reads them.

The batches hash their shards; the other objects are hashed when the verdict is made. The root
document is in the list before it is published; the list itself and the lock are not.
"""

from collections.abc import Iterable
from pathlib import Path

from uplift.models.json_text import sha256_of
from uplift.outputs.keys import LOCK_KEY, MANIFEST_KEY, ROOT_KEY
from uplift.storage.files import is_temporary
from uplift.storage.protocol import Store
from uplift.validate.objects.accounts import sha256_of_object

Sums = dict[str, str]
_NOT_LISTED = (LOCK_KEY, MANIFEST_KEY, ROOT_KEY)


def manifest_text(output: Store, keys: Iterable[str], known: Sums, root_document: bytes) -> str:
    """List every object of the output.

    Parameters
    ----------
    keys
        What the listing of the output had; those that are not listed are left out.
    known
        The sums that the batches made.
    root_document
        The one to publish.

    Returns
    -------
    str
        A line each, as ``sha256sum`` writes them, in key order.
    """
    sums = {ROOT_KEY: sha256_of(root_document)}
    for key in keys:
        if key in _NOT_LISTED or is_temporary(key):
            continue
        digest = known.get(key) or sha256_of_object(output, key)
        if digest is not None:
            sums[key] = digest
    return text_of_sums(sums)


def text_of_sums(sums: Sums) -> str:
    r"""Write lines of ``sha256sum``: names with ``\`` or a line break are escaped and marked."""
    lines = []
    for key in sorted(sums):
        name = key.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r")
        mark = "" if name == key else "\\"
        lines.append(f"{mark}{sums[key]}  {name}\n")
    return "".join(lines)


def read_sums(files: Iterable[Path]) -> Sums:
    """Read what the batches wrote, except for escaped names: those are hashed again."""
    sums: Sums = {}
    for file in files:
        if not file.is_file():  # of a batch without stored objects, or one that made no sums
            continue
        for line in file.read_text().split("\n"):
            if line and not line.startswith("\\"):
                digest, _, key = line.partition("  ")
                sums[key] = digest
    return sums
