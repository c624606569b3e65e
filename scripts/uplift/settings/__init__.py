"""Config and sample sheet."""
