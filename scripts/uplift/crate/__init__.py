"""The RO-Crate next to the data: what they are, whose, and how they were made."""

from uplift.crate.facts import Conversion, collect_facts, times_of
from uplift.crate.review import check_license
from uplift.crate.writing import write_crate

__all__ = ["Conversion", "check_license", "collect_facts", "times_of", "write_crate"]
