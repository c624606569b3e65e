"""Findings: what a check has to say about one path."""

from __future__ import annotations

from typing import Literal

from uplift.models.base import Model


class Finding(Model):
    """One observation with a stable `code` such as ``pixels.differ``.

    ``error`` makes the verdict invalid; ``warning`` and ``info`` do not.
    """

    code: str
    severity: Literal["error", "warning", "info"]
    path: str
    message: str
