"""How one value of a source's metadata was changed."""

from typing import Any, Literal

from uplift.models.arrays import JsonValue
from uplift.models.base import Model
from uplift.models.json_text import shown, without_bare_nan


class Change(Model):
    """How one attribute was changed, with enough information to undo it.

    Attributes
    ----------
    key
        Its path for people, e.g. ``multiscales[0].version``; of an OME-Zarr key, below ``ome``.
    action
        ``moved`` (to below ``ome``), ``kept``, ``changed``, ``added`` or ``dropped``.
    place
        JSON Pointer (RFC 6901) into the attributes of the output at the time of the change; absent
        where nothing but the path of the whole key changed. The last change is undone first.
    old, new
        The words before and after; an absent `old` of what was changed or dropped is ``null``, and
        NaN and infinities are texts.
    repair
        Code of the repair, for a defect of the source; absent where only the version differs.
    in_document
        Whether `place` is one in the source's document (``.zarray``, ``.zgroup``, ``zarr.json``)
        as its specification words it, and not in the attributes.
    """

    key: str
    action: Literal["moved", "kept", "changed", "added", "dropped"]
    detail: str | None = None
    place: str | None = None
    old: JsonValue = None
    new: JsonValue = None
    repair: str | None = None
    in_document: Literal[True] | None = None

    @property
    def text(self) -> str:
        """How a spelling was read, for a finding."""
        if self.action == "dropped":
            return f"{self.key} {shown(self.old)} is left out"
        old = f"no {self.key}" if self.action == "added" else f"{self.key} {shown(self.old)}"
        return f"{old} is read as {shown(self.new)}"


def respelling(key: str, old: JsonValue, new: JsonValue, place: str | None = None) -> Change:
    """A spelling that the document's specification does not have, and what it is read as.

    Parameters
    ----------
    key
        Of the document.
    old, new
        As written (``...``: not there), and as the specification has it (``...``: left out).
    place
        JSON Pointer into the document, where it differs from that of `key`.

    Returns
    -------
    Change
        Which can be undone in the document as the specification has it.
    """
    action: Any = "added" if old is ... else "dropped" if new is ... else "changed"
    values = {name: None if value is ... else without_bare_nan(value)
              for name, value in (("old", old), ("new", new))}  # fmt: skip
    place = f"/{key}" if place is None else place
    return Change(
        key=key, action=action, place=place, repair="document.words", in_document=True, **values
    )
