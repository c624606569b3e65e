"""Everything that is verified before a dataset is published.

Per batch: :mod:`~uplift.validate.pixels.items`. Per dataset: :mod:`~uplift.validate.dataset`.
"""
