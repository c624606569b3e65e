"""Why an array is converted as it is: one line for people, from the plan and the source."""

from __future__ import annotations

from uplift.codecs.mapping import not_kept, ordered_codecs
from uplift.models.arrays import Method, TargetArray
from uplift.planning.checks import Wish, shape_text


def reason_of(wish: Wish, target: TargetArray, method: Method) -> str:
    """Say why chunks are kept, re-wrapped or recoded.

    Parameters
    ----------
    wish
        What the plan asks of the array.
    target, method
        What that comes to.
    """
    if method == "repack":
        return "chunks keep their bytes"
    if method == "rewrap":
        return "zlib streams become gzip streams, which all readers know; the body is kept"
    source, reasons = wish.entry.source, []
    if target.chunks != source.chunks:
        origin = f" ({wish.origins['chunks']})" if "chunks" in wish.origins else ""
        reasons.append(
            f"chunks {shape_text(source.chunks)} become {shape_text(target.chunks)}{origin}"
        )
    if (unread := not_kept(source)) is not None:
        reasons.append(f"no core codec of Zarr v3 reads {unread}")
    transposed = any(codec["name"] == "transpose" for codec in target.codecs)
    if ordered_codecs(source) is not None and not transposed:
        reasons.append("F order becomes C order: several viewers show images in F order black")
    if wish.codecs != "keep" and (not reasons or "codecs" in wish.origins):
        names = ", ".join(codec["name"] for codec in target.codecs)
        origin = f" ({wish.origins['codecs']})" if "codecs" in wish.origins else " as planned"
        reasons.append(f"codecs {names}{origin}")
    return "; ".join(reasons)
