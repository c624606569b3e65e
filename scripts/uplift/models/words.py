"""Numbers in readable form, in messages, reports and crates."""


def counted(count: int, noun: str) -> str:
    """A number and its noun: ``1 level``, ``2 levels``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size_text(count: float) -> str:
    """Write a number of bytes for people, as in ``1.2 GB`` (1 kB is 1000 bytes)."""
    if count < 999.5:
        return f"{count:.0f} B"
    for unit in ("kB", "MB", "GB", "TB"):
        count /= 1000
        if count < 999.95:  # what is rounded up to 1000.0 is 1.0 of the next unit
            return f"{count:.1f} {unit}"
    return f"{count / 1000:,.1f} PB"
