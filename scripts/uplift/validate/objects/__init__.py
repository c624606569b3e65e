"""Checks of stored objects: accounts of both sides, check sums."""
