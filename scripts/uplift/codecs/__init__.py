"""Codecs of Zarr v2 and v3: one table of them, their parts, and what one becomes: values to values.

``numcodecs`` is imported only when a chunk has to be decoded or encoded.
"""
