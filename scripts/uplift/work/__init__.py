"""The work folder of a dataset."""
