"""Batches of the plan in force: which there are, carrying them out, what of them still counts."""

import os

# Before NumPy is loaded, which these modules do: a program with one thread can fork its workers
# (`running.processes`), and nothing here multiplies matrices.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
