"""Why an array is converted as it is: one line for people, from the plan and the source."""

from uplift.codecs.mapping import not_kept, ordered_codecs
from uplift.models.arrays import Method, TargetArray
from uplift.planning.checks import Wanted, shape_text


def reason_of(wanted: Wanted, target: TargetArray, method: Method) -> str:
    """Say why chunks are kept, rewrapped or recoded.

    Parameters
    ----------
    wanted
        What the plan asks of the array.
    target, method
        The array as it will be written, and how.

    Returns
    -------
    str
        A few words for the plan.
    """
    if method == "repack":
        return "chunks keep their bytes"
    if method == "rewrap":
        return "zlib streams become gzip streams, which all readers know; the body is kept"
    source, reasons = wanted.entry.source, []
    if target.chunks != source.chunks:
        origin = f" ({wanted.origins['chunks']})" if "chunks" in wanted.origins else ""
        reasons.append(
            f"chunks {shape_text(source.chunks)} become {shape_text(target.chunks)}{origin}"
        )
    if (unread := not_kept(source)) is not None:
        reasons.append(f"no core codec of Zarr v3 reads {unread}")
    transposed = any(codec["name"] == "transpose" for codec in target.codecs)
    if ordered_codecs(source) is not None and not transposed:
        reasons.append("F order becomes C order: several viewers show images in F order black")
    if wanted.codecs != "keep" and (not reasons or "codecs" in wanted.origins):
        names = ", ".join(codec["name"] for codec in target.codecs)
        origin = f" ({wanted.origins['codecs']})" if "codecs" in wanted.origins else " as planned"
        reasons.append(f"codecs {names}{origin}")
    return "; ".join(reasons)
