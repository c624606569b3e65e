"""Whether locations are the same: an output that is its own source would be destroyed."""

from uplift.errors import OutputError
from uplift.settings.urls import comparable
from uplift.storage import display_url


def refuse_overlap(source_url: str, output_url: str) -> None:
    """Refuse an output that is the source, holds it, or lies in it.

    Raises
    ------
    OutputError
        They overlap.
    """
    source, output = (comparable(url) for url in (source_url, output_url))
    if source == output or source.startswith(f"{output}/") or output.startswith(f"{source}/"):
        raise OutputError(
            f"{output_url}: overlaps the source {source_url}; choose an output outside of it"
        )


def is_same_location(one: str, other: str) -> bool:
    """Whether two texts name one location."""
    return comparable(display_url(one)) == comparable(display_url(other))
