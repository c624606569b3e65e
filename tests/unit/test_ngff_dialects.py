"""Dialects: nothing else is wrong with an image of one, as another validator sees it."""

from yaozarrs.v05 import Image

from support.dialects import without_dialect
from uplift.ngff.rules import check_metadata

IMAGE = {
    "version": "0.5",
    "multiscales": [
        {
            "axes": [
                {"name": "y", "type": "space", "unit": "pixel"},
                {"name": "x", "type": "space", "unit": "micrometer"},
            ],
            "datasets": [
                {"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1]}]}
            ],
            "coordinateTransformations": [{"type": "identity", "input": {}, "output": {}}],
        }
    ],
    "omero": {"channels": [{"label": 0, "active": 1}, {"color": "#12", "window": {"min": 3}}]},
}


def test_an_image_of_a_dialect_passes_without_it():
    before = check_metadata(IMAGE, ("image",))
    assert {finding.code for finding in before} == {
        "dialect.omero",
        "dialect.transforms",
        "dialect.unit",
    }
    mended = without_dialect(IMAGE)
    assert check_metadata(mended, ("image",)) == ()
    Image.model_validate(mended)
    assert mended["omero"]["channels"][1]["window"]["min"] == 3


def test_other_faults_stay():
    faulty = {**IMAGE, "omero": {"channels": [{"color": 255, "window": 3}, None]}}
    found = check_metadata(without_dialect(faulty), ("image",))
    assert [finding.code for finding in found] == ["omero"] * 3
    for junk in (
        {"multiscales": [3]},
        {"omero": {"id": 1}},
        {"plate": {"wells": 3}},
        {"labels": [3]},
    ):
        assert without_dialect(junk) == junk
