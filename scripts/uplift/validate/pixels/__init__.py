"""Checks of every chunk and every element."""
