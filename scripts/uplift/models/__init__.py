"""Typed, frozen models of every file between the steps."""
