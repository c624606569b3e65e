"""Attributes of groups that tests migrate, each proven to lose nothing."""

from uplift.ngff.lossless import lost_attributes
from uplift.ngff.migrate import migrate_attributes
from uplift.ngff.registry import Facts

AXES = [{"name": "y", "type": "space"}, {"name": "x", "type": "space"}]
SCALE = [{"type": "scale", "scale": [1, 1]}]
LEVEL = {"path": "0", "coordinateTransformations": SCALE}
ENTRY = {"axes": AXES, "datasets": [LEVEL]}


def migrate(attributes, path="", arrays=None, zarr_format=2, **facts):
    facts = Facts(path, shapes=arrays, **facts)
    result = migrate_attributes(attributes, "0.5", facts, zarr_format=zarr_format)
    assert lost_attributes(attributes, result.attributes, result.changes) == []
    again = migrate_attributes(result.attributes, "0.5", facts, zarr_format=3)
    assert again.attributes == result.attributes
    assert list(again.attributes) == list(result.attributes)
    return result


def codes(result):
    return [(finding.severity, finding.code) for finding in result.findings]


def dropped(result):
    return [change.key for change in result.changes if change.repair == "empty.dropped"]


def plate(**more):
    sides = {"rows": [{"name": "A"}, {"name": "B"}], "columns": [{"name": "1"}, {"name": "2"}]}
    wells = [{"path": "A/1", "rowIndex": 0, "columnIndex": 0}]
    return {"plate": {"version": "0.4", **sides, "wells": wells, **more}}


def of_plate(attributes):
    result = migrate(attributes)
    assert {code for _, code in codes(result)} == {"source.repaired"}
    return result.attributes["ome"]["plate"]


def levels_of(result):
    (entry,) = result.attributes["ome"]["multiscales"]
    return [level["coordinateTransformations"] for level in entry["datasets"]]
