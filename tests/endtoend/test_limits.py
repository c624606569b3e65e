"""Little memory and few open files: one line or success, nothing torn, and a rerun completes."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import zarr

from support.crates import without_times
from support.images import write_image
from support.steps import SCRIPTS, Conversion, words_of
from support.workflow import contents

LIMITED = """
import resource, sys
from support.steps import program
step, kind, number, *arguments = sys.argv[1:]
main = program(step)
if kind == "memory":
    with open("/proc/self/statm") as stream:
        used = int(stream.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + int(number), used + int(number)))
else:
    resource.setrlimit(resource.RLIMIT_NOFILE, (int(number), int(number)))
sys.exit(main(arguments))
"""
CHUNK_MIB = 128
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's limits and /proc")


@pytest.fixture
def conversion(tmp_path):
    return Conversion(str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work")


def limited(conversion, step, kind, number, **options):
    """Run a step of the first batch in a process with a limit; its code and standard error."""
    words = words_of(options)
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, step, kind, str(number), *words],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(SCRIPTS), str(SCRIPTS.parent / "tests")]),
        },
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.returncode, done.stderr


def convert(conversion, kind, number, on_bad_chunk="fail"):
    options = {**conversion.convert_options(1), "on_bad_chunk": on_bad_chunk}
    return limited(conversion, "convert", kind, number, **options)


def validate(conversion, kind, number):
    return limited(conversion, "validate", kind, number, **conversion.validate_options())


def one_line(text):
    assert "Traceback" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("error: ")]
    return line


def test_little_memory(conversion, tmp_path):
    """A chunk that does not fit is not a bad chunk, whatever is to become of those."""
    write_image(tmp_path / "in.zarr", size=32, chunk=32)
    for name in ("0", "1"):
        array = zarr.create_array(
            tmp_path / "in.zarr" / name,
            shape=(1, CHUNK_MIB, 1024, 1024),
            chunks=(1, CHUNK_MIB, 1024, 1024),
            dtype="uint8",
            zarr_format=2,
            overwrite=True,
            chunk_key_encoding={"name": "v2", "separator": "/"},
        )
        array[:, :8] = np.uint8(7)
    conversion.plan_settings = '{"codec": "zstd"}'
    for step in (conversion.inspect, conversion.plan, conversion.claim):
        step()
    for policy in ("fill", "fail"):
        code, text = convert(conversion, "memory", 64 * 2**20, policy)
        assert code == 75, text
        assert "not enough memory" in one_line(text)
        assert not list(conversion.path("records").glob("*.json"))
    conversion.convert()
    conversion.migrate()
    conversion.write_crate()
    code, text = validate(conversion, "memory", 64 * 2**20)
    assert code == 75, text
    assert "not enough memory" in one_line(text)
    assert conversion.validate()["verdict"] == "valid"
    conversion.publish()
    record = json.loads(next(conversion.path("records").glob("*.json")).read_text())
    assert not any(item["bad_chunks"] for item in record["items"])


def test_few_open_files(conversion, tmp_path):
    write_image(tmp_path / "in.zarr", size=128, chunk=16)
    for step in (conversion.inspect, conversion.plan, conversion.claim):
        step()
    code, text = convert(conversion, "files", 8)
    if code:
        assert "Too many open files" in one_line(text)
    assert not (tmp_path / "out.zarr" / "zarr.json").exists()
    code, text = convert(conversion, "files", 24)
    assert code == 0, text
    conversion.migrate()
    conversion.write_crate()
    assert conversion.validate()["verdict"] == "valid"
    conversion.publish()
    again = Conversion(conversion.source, str(tmp_path / "other.zarr"), tmp_path / "other")
    again.all()
    expected, found = contents(tmp_path / "other.zarr"), contents(tmp_path / "out.zarr")
    crate = "ro-crate-metadata.json"  # says when the output was converted
    assert without_times(expected.pop(crate)) == without_times(found.pop(crate))
    assert found == expected
