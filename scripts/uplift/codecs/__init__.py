"""Codecs of Zarr v2 and v3: their table, their functions, and how each is written in the output.

``numcodecs`` is imported only when a chunk has to be decoded or encoded.
"""
