"""Checks of documents and attributes."""
