"""OME-Zarr metadata: what a group is, its migration to 0.5, its rules, proof that nothing is lost.

Pure: attributes in, attributes and findings out.
"""
