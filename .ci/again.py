"""Run up to three tests that failed once more, alone: ``again.py``, after pytest.

On a machine that others use, a test that waits for other processes may meet a moment that nobody
foresaw. Those that pass now are named all the same: there is a race, in a test or in the product.
Tests of what is guaranteed after a kill, or for any input, never get a second try.
"""

import json
import subprocess
import sys
from pathlib import Path

MOST = 3
GUARANTEES = ("tests/crash/", "tests/property/")
FAILED = Path(".pytest_cache/v/cache/lastfailed")


def main() -> int:
    """Exit code of the second run."""
    failed = sorted(json.loads(FAILED.read_text())) if FAILED.is_file() else []
    if not 0 < len(failed) <= MOST or any(name.startswith(GUARANTEES) for name in failed):
        return 1
    sys.stdout.write("\n  ".join(["Failed next to others, run again alone:", *failed]) + "\n")
    sys.stdout.flush()
    return subprocess.call([sys.executable, "-m", "pytest", *failed])


if __name__ == "__main__":
    sys.exit(main())
