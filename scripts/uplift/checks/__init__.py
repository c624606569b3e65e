"""Everything that is verified before a dataset is published.

Per batch: :mod:`~uplift.checks.items`. Per dataset: :mod:`~uplift.checks.dataset`.
"""
