"""Pack a published dataset into one file."""
