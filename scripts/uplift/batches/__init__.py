"""Batches of the plan in force: which there are, carrying them out, what of them still counts."""
