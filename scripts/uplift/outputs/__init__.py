"""Outputs: the lock on them, and the only way to write to one."""

from uplift.outputs.held import HeldOutput, hold
from uplift.outputs.keys import LOCK_KEY, MANIFEST_KEY, ROOT_KEY

__all__ = ["LOCK_KEY", "MANIFEST_KEY", "ROOT_KEY", "HeldOutput", "hold"]
