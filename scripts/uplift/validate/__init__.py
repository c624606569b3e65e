"""Everything that is verified before a dataset is published.

Per batch: :mod:`~uplift.validate.pixels`. Per dataset: :mod:`~uplift.validate.dataset`.
"""
