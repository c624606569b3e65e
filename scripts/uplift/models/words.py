"""Numbers as people read them, in messages, reports and crates."""


def counted(count: int, noun: str) -> str:
    """A number and its noun: ``1 level``, ``2 levels``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def size_text(count: float) -> str:
    """Write a number of bytes for people (1 kB is 1000 bytes)."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
