"""Chunks into shards: repack, recode, resume."""
