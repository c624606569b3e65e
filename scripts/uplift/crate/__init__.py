"""The RO-Crate next to the data: what they are, whose, and how they were made."""

from uplift.crate.facts import Conversion, collect_facts, times_of
from uplift.crate.writing import write_crate

__all__ = ["Conversion", "collect_facts", "times_of", "write_crate"]
