"""Fixtures that several tests share."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def corpus() -> Path:
    """Real datasets of other projects, in a folder beside this checkout."""
    folder = ROOT.parent / "shared" / "data" / "corpus"
    if not folder.is_dir():
        pytest.skip("no corpus: lay the folder `shared` beside this checkout")
    return folder
