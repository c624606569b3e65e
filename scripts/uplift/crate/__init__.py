"""The RO-Crate beside the data: what they are, whose, and how they were made."""

from uplift.crate.check import validate_crate
from uplift.crate.writing import METADATA_KEY, checked_crate, collect_facts, write_crate

__all__ = ["METADATA_KEY", "checked_crate", "collect_facts", "validate_crate", "write_crate"]
