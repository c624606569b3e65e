"""The RO-Crate next to the data: what they are, whose, and how they were made."""

from uplift.crate.writing import collect_facts, write_crate

__all__ = ["collect_facts", "write_crate"]
