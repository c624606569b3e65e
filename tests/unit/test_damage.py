"""What is said of work files that are gone: what a failed job said already is not said again."""

import os

import pytest

from support.results import Results
from uplift.work.folder import WorkFolder
from uplift.workflow.damage import damage_of


@pytest.mark.parametrize("failed", [True, False])
def test_a_file_that_a_failed_job_took_with_it_is_made_again_in_silence(tmp_path, failed):
    results = Results(tmp_path / "results")
    folder = results.published("a")
    (folder / "claim.json").unlink()
    log = results.log(folder, "claim", "error: out.zarr: exists; choose another" if failed else "")
    time = (folder / "published.json").stat().st_mtime + (9 if failed else -9)
    os.utime(log, (time, time))
    found = {one.path.name: one for one in damage_of(WorkFolder(folder), None)}
    claim = found["claim.json"]
    assert claim.again == (folder / "claim.json",)
    said = "" if failed else f"{folder / 'claim.json'}: is gone; it is made again"
    assert claim.line == said
