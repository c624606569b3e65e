"""System calls that fail, in a child of :mod:`crash.server`."""

import os
from dataclasses import dataclass


@dataclass(frozen=True)
class FaultPoint:
    """The `call`-th call of ``os.<name>`` below a folder fails with an error of the system."""

    name: str
    call: int
    number: int
    below: str

    def arm(self) -> None:
        original, calls = getattr(os, self.name), 0

        def failing(*args, **kwargs):
            nonlocal calls
            text = str(args[0]) if args else ""
            # writev, read and fsync take a descriptor: any of them counts
            if self.name in ("writev", "read", "fsync") or text.startswith(self.below):
                calls += 1
                if calls == self.call:
                    raise OSError(self.number, os.strerror(self.number))
            return original(*args, **kwargs)

        setattr(os, self.name, failing)
