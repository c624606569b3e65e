"""A network file system for the benchmark: sshfs to this machine, a millisecond a round trip."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests")]

from measure import FailedError  # noqa: E402

from servers.network_files import NetworkFiles, why_not  # noqa: E402

LATENCY_S = 0.001


@contextlib.contextmanager
def network_place(scratch: Path) -> Iterator[NetworkFiles]:
    """Mount it below a folder.

    Raises
    ------
    FailedError
        This machine cannot.
    """
    reason = why_not()
    if reason:
        raise FailedError(f"no network file system: {reason}")
    files = NetworkFiles(scratch / "network", LATENCY_S)
    try:
        yield files
    finally:
        files.close()
