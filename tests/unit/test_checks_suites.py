"""The verdict on metadata is the official one: the suites of OME-Zarr 0.5 through the checks."""

import json
from pathlib import Path

import pytest

from support.steps import Conversion, StepError
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryGroup
from uplift.models.migration import Migration
from uplift.ngff.conformity import defects_of
from uplift.validate.metadata.documents import Node
from uplift.validate.metadata.structure import Structure

SPEC = Path(__file__).resolve().parents[3] / "shared" / "data" / "spec"
pytestmark = pytest.mark.skipif(
    not SPEC.is_dir(), reason="no official suites: lay the folder `shared` next to this checkout"
)
ROLES = {"image": "image", "label": "label image", "plate": "plate", "well": "well"}


def cases():
    """(role, attributes, valid) of every case that is not about recommendations."""
    for suite, role in ROLES.items():
        path = SPEC / "0.5" / "tests" / f"{suite}_suite.json"
        for case in json.loads(path.read_text())["tests"] if path.is_file() else ():
            name = f"{suite}:{case['formerly']}"
            yield pytest.param(role, case["data"], case["valid"], id=name)


def defects(role, attributes):
    """What the checks say about a group with these attributes on both sides."""
    entry = InventoryGroup(path="", roles=(role,), zarr_format=3)
    document = {"zarr_format": 3, "node_type": "group", "attributes": attributes}
    findings = Findings()
    migration = Migration(
        source="",
        output="",
        target_version="0.5",
        root_sha256="",
        documents=1,
        nodes=(),
        files=(),
    )
    structure = Structure([entry], {}, migration, findings)
    structure.check_group(Node(entry, "group", document, document, attributes))
    structure.check_tree()
    errors = [finding for finding in findings.listed() if finding.severity == "error"]
    return [*errors, *(d for d in defects_of(findings.listed()) if d.code not in ABSENT)]


ABSENT = {"level.absent", "well.absent", "field.absent", "labels.absent"}
"""A case of a suite has no tree."""


@pytest.mark.parametrize(("role", "attributes", "valid"), list(cases()))
def test_verdict_of_an_official_case(role, attributes, valid):
    found = defects(role, attributes)
    assert (not found) == valid, found


@pytest.mark.parametrize(("role", "attributes", "valid"), list(cases()))
def test_official_case_as_a_source(tmp_path, role, attributes, valid):
    """Whatever is invalid is repaired, refused in one line, or published as what it is."""
    write_v3(tmp_path / "in.zarr", attributes)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.crate = '{"enabled": false}'
    try:
        validation = conversion.all()
    except StepError as error:
        assert (error.step, error.code) == ("inspect_source", 1)
        assert not valid
        return
    if "source.repaired" in {finding["code"] for finding in validation["findings"]}:
        return
    alone = {one["code"] for one in validation.get("defects", ())} <= ABSENT
    assert valid or not alone or validation["conforms"] == "plain Zarr"


@pytest.mark.parametrize(("role", "attributes", "valid"), list(cases()))
def test_official_case_where_defects_are_refused(tmp_path, role, attributes, valid):
    write_v3(tmp_path / "in.zarr", attributes)
    conversion = Conversion(
        str(tmp_path / "in.zarr"), str(tmp_path / "out.zarr"), tmp_path / "work"
    )
    conversion.on_bad_metadata = "fail"
    if valid and role in ("image", "label"):  # a case has no wells and no fields
        conversion.inspect()
    elif not valid and {"multiscales", "plate", "well"} & set(attributes.get("ome", {})):
        with pytest.raises(StepError):
            conversion.inspect()


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
