"""Data types, fill values, codecs and metadata documents of Zarr v2 and v3: values to values.

``numcodecs`` is imported only when a chunk has to be decoded or encoded.
"""
