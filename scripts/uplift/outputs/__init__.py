"""Outputs: who holds one, and what is published there."""
