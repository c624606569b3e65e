"""Batches of the plan in force: converting and validating them, and which results still count."""

import os

# Before NumPy is loaded, which these modules do: a program with one thread can fork its workers
# (`running.processes`), and nothing here multiplies matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
