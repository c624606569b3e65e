"""SpatialData: with ``spatialdata: true`` its own library opens what was converted."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from support.steps import Conversion

CORPUS = Path(__file__).resolve().parents[3] / "shared" / "data" / "corpus"
SOURCE = CORPUS / "HelenaLC_blobs_sdata.zarr"
REFERENCE = CORPUS / "HelenaLC_blobs_sdata_v3_ref.zarr"
"""The same elements as the library itself writes them in Zarr v3."""
PYTHON = os.environ.get("SPATIALDATA_PYTHON")
"""A Python that has spatialdata, which needs other versions of what this project has."""

pytestmark = pytest.mark.skipif(
    not SOURCE.is_dir(), reason="no corpus: lay the folder `shared` next to this checkout"
)


@pytest.fixture(scope="module")
def converted(tmp_path_factory):
    home = tmp_path_factory.mktemp("spatialdata")
    conversion = Conversion(str(SOURCE), str(home / "out.zarr"), home / "work")
    conversion.crate, conversion.spatialdata = '{"enabled": false}', "true"
    return home / "out.zarr", conversion.all()


def versions(root):
    """Path of each group to the version texts that spatialdata goes by."""
    found = {}
    for place in sorted(root.rglob("zarr.json")):
        attributes = json.loads(place.read_text()).get("attributes", {})
        texts = {
            "ome": attributes.get("ome", {}).get("version"),
            "element": attributes.get("spatialdata_attrs", {}).get("version"),
            "table": attributes.get("version"),
        }
        found[place.parent.relative_to(root).as_posix()] = texts
    return found


def test_version_texts_are_those_of_the_library(converted):
    output, validation = converted
    assert validation["verdict"] == "valid"
    ours, theirs = versions(output), versions(REFERENCE)
    elements = [path for path in theirs if any(theirs[path].values())]
    assert len(elements) > 5
    assert {path: ours[path] for path in elements} == {path: theirs[path] for path in elements}
    assert {"dialect.version"} <= {defect["code"] for defect in validation["defects"]}


def test_without_the_key_the_warning_names_it(tmp_path):
    conversion = Conversion(str(SOURCE), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.inspect()
    findings = json.loads((tmp_path / "work" / "inventory.json").read_text())["findings"]
    (text,) = [f["message"] for f in findings if f["code"] == "source.spatialdata"]
    assert "spatialdata: true" in text


@pytest.mark.skipif(not PYTHON, reason="set SPATIALDATA_PYTHON to a Python with spatialdata")
def test_the_library_opens_every_element(converted):
    output, _ = converted
    code = (
        "import sys, spatialdata\n"
        "one, other = (spatialdata.read_zarr(path) for path in sys.argv[1:])\n"
        "names = lambda s: sorted(name for _, name, _ in s.gen_elements())\n"
        "assert names(one) == names(other), (names(one), names(other))\n"
    )
    subprocess.run([PYTHON, "-c", code, output, REFERENCE], check=True, timeout=300)
