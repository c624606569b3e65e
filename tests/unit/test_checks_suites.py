"""The verdict on metadata is the official one: the suites of OME-Zarr 0.5 through the checks."""

import json
from pathlib import Path

import pytest

from support.steps import Conversion, StepError
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryGroup
from uplift.validate.metadata.documents import Node
from uplift.validate.metadata.structure import Structure

SPEC = Path(__file__).resolve().parents[3] / "shared" / "data" / "spec"
pytestmark = pytest.mark.skipif(
    not SPEC.is_dir(), reason="no official suites: lay the folder `shared` beside this checkout"
)
ROLES = {"image": "image", "label": "label image", "plate": "plate", "well": "well"}


def cases():
    """(role, attributes, valid) of every case that is not about recommendations."""
    for suite, role in ROLES.items():
        path = SPEC / "0.5" / "tests" / f"{suite}_suite.json"
        for case in json.loads(path.read_text())["tests"] if path.is_file() else ():
            name = f"{suite}:{case['formerly']}"
            yield pytest.param(role, case["data"], case["valid"], id=name)


def errors_of(role, attributes):
    """What the checks say about a group with these attributes on both sides."""
    entry = InventoryGroup(path="", roles=(role,))
    document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    findings = Findings()
    structure = Structure([entry], {}, "0.5", findings)
    structure.check_group(Node(entry, "group", document, document, attributes))
    structure.check_labels()
    return [finding for finding in findings.listed() if finding.severity == "error"]


@pytest.mark.parametrize(("role", "attributes", "valid"), list(cases()))
def test_verdict_of_an_official_case(role, attributes, valid):
    errors = errors_of(role, attributes)
    assert (not errors) == valid, errors


@pytest.mark.parametrize(("role", "attributes", "valid"), list(cases()))
def test_official_case_as_a_source(tmp_path, role, attributes, valid):
    """From end to end nothing invalid is published unrepaired, but what is no OME-Zarr at all."""
    write_v3(tmp_path / "in.zarr", attributes)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.crate = '{"enabled": false}'
    try:
        findings = conversion.all()["findings"]
    except StepError as error:
        assert error.code == 1
        assert not valid
        return
    if "source.repaired" in {finding["code"] for finding in findings}:
        return
    ome = attributes.get("ome")
    known = isinstance(ome, dict) and {"multiscales", "plate", "well"} & ome.keys()
    assert valid or not known


def write_v3(root, attributes):
    """Write a Zarr v3 source with these attributes, and the arrays that they list."""
    root.mkdir()
    group = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    (root / "zarr.json").write_text(json.dumps(group))
    ome = attributes.get("ome")
    for entry in ome.get("multiscales", []) if isinstance(ome, dict) else []:
        ndim = len(entry.get("axes", [])) if isinstance(entry, dict) else 0
        for level in entry.get("datasets", []) if isinstance(entry, dict) else []:
            path = level.get("path") if isinstance(level, dict) else None
            if isinstance(path, str) and path:
                write_v3_array(root / path, ndim)


def write_v3_array(folder, ndim):
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "zarr_format": 3,
        "node_type": "array",
        "shape": [1] * ndim,
        "data_type": "uint8",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [1] * ndim}},
        "chunk_key_encoding": {"name": "default"},
        "fill_value": 0,
        "codecs": [{"name": "bytes"}],
    }
    (folder / "zarr.json").write_text(json.dumps(document))
