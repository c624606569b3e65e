"""Two runs that want one output: one has it, the other is refused."""

import shutil
import subprocess

import pytest

from support.images import write_image
from support.workflow import command, contents, environment, errors_of, snakemake


def settings(tmp_path, *more):
    given = [f"input={tmp_path}/in.zarr", f"output={tmp_path}/out.zarr", "license=CC0-1.0"]
    return ["--config", *given, "previews=false", *more]


@pytest.fixture
def folders(tmp_path):
    write_image(tmp_path / "in.zarr", size=256, chunk=32)
    for name in ("alone", "ann", "bob"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_two_runs_at_once_and_one_after_the_other(folders):
    alone = ["--config", f"input={folders}/in.zarr", "output=out.zarr", "license=CC0-1.0"]
    assert snakemake(folders / "alone", *alone, "previews=false").code == 0
    expected = contents(folders / "alone" / "out.zarr")

    running = {
        name: subprocess.Popen(
            command(folders / name, *settings(folders)),
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("ann", "bob")
    }
    said = {name: process.communicate(timeout=300)[0] for name, process in running.items()}
    codes = {name: process.returncode for name, process in running.items()}
    assert sorted(codes.values()) == [0, 1], said
    winner, loser = sorted(codes, key=codes.__getitem__)
    errors = errors_of(said[loser])
    assert len(errors) == 1, said[loser]
    assert "another run of" in errors[0] or "not started by this run" in errors[0]
    assert "Traceback" not in said[loser]
    assert contents(folders / "out.zarr") == expected

    refused = snakemake(folders / loser, *settings(folders))
    assert refused.code == 1
    assert "exists and was not started by this run" in refused.errors[0]
    assert contents(folders / "out.zarr") == expected
    replaced = snakemake(folders / loser, *settings(folders, "overwrite=true"))
    assert replaced.code == 0, replaced.text
    assert contents(folders / "out.zarr") == expected
    again = snakemake(folders / winner, *settings(folders))
    assert again.code == 0, "its dataset stands there, to the byte"


def test_a_lost_work_folder_frees_its_output(folders):
    """A user interrupts a run, deletes `results`, and starts over."""
    name = folders / "ann"
    assert snakemake(name, "results/in/migration.json", *settings(folders)).code == 0
    assert (folders / "out.zarr" / ".ngff-uplift.lock").exists()
    refused = snakemake(folders / "bob", *settings(folders))
    assert "another run of" in refused.errors[0]
    assert f"work files in {name}/results/in" in refused.errors[0]
    shutil.rmtree(name / "results")
    shutil.rmtree(name / ".snakemake")
    refused = snakemake(name, *settings(folders))
    assert "set overwrite: true" in refused.errors[0]
    done = snakemake(name, *settings(folders, "overwrite=true"))
    assert done.code == 0, done.text
    assert not (folders / "out.zarr" / ".ngff-uplift.lock").exists()
