"""The RO-Crate next to the data: what they are, whose they are, and how they were made."""
