"""The RO-Crate next to the data: what they are, whose, and how they were made."""
