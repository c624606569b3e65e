"""OME-Zarr metadata: what a group is, its migration to 0.5, its rules, proof that nothing is lost.

Pure: attributes in, attributes and findings out. Read ``registry`` first (rules and repairs, each
declared once), then ``repairs_kinds``, ``repairs_words`` and ``image_rules``, ``versions`` (the
table; a module each: ``v01`` … ``v05``), and ``migrate``, which applies them. ``lossless`` proves
that nothing is lost, and can undo every change.
"""
