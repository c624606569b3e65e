"""What becomes of inputs rebuilt from public reports: docs/ODD_INPUTS.md is made here.

Whatever passes inspect and converts is published; nothing ends invalid after converting.
"""

import json
import warnings

import numpy as np
import pytest
import zarr

from support import odd
from support.docs_tables import check_table
from support.steps import Conversion, StepError
from support.undoing import check_undone

pytestmark = pytest.mark.skipif(
    not odd.ODD.is_dir(), reason="no odd inputs: lay the folder `shared` next to this checkout"
)
PLAIN = {"mended": "repaired", "borne alone": "kept alone", "somebody": "a tool"}
BEFORE_CONVERTING = ("inspect_source", "plan")


@pytest.fixture(scope="module")
def rows():
    return {}


@pytest.mark.parametrize("script", odd.scripts(), ids=lambda path: path.stem[5:])
def test_odd_input(tmp_path, capsys, rows, script):
    source = odd.make(script, tmp_path)
    conversion = Conversion(str(source), str(tmp_path / "out.zarr"), tmp_path / "work")
    conversion.crate = '{"enabled": false}'
    about = odd.cases()[script.name]["where people met it"].removeprefix("Inherited: ")
    met = about.split(": ")[0].removesuffix(".")
    for word, plain in PLAIN.items():
        met = met.replace(word, plain)
    name = script.stem[5:]
    try:
        validation = conversion.all()
    except StepError as error:
        (line,) = [x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]
        bad_chunk = error.step.startswith("convert") and "on_bad_chunk" in line
        assert error.step in BEFORE_CONVERTING or bad_chunk, line
        message = line.removeprefix("error: ").replace(f"{source}: ", "").replace(f"{source}/", "")
        rows[name] = (name, met, "refused", "", "", message)
        return
    assert validation["verdict"] == "valid"
    same_pixels(source, tmp_path / "out.zarr", conversion)
    if source.suffix == ".zarr":
        check_undone(source, tmp_path / "out.zarr", tmp_path / "work")
    rows[name] = (name, met, validation["conforms"], *what_became_of(conversion, validation), "")


REFUSED_BEFORE = ("inspect: ", "invalid after conversion: ")


@pytest.mark.parametrize(
    "script",
    [path for path in odd.scripts()
     if odd.cases()[path.name]["result at 721023e"].startswith(REFUSED_BEFORE)],
    ids=lambda path: path.stem[5:],
)  # fmt: skip
def test_strict_is_as_strict_as_ever(tmp_path, capsys, script):
    """What an earlier version refused for its metadata is refused before it is converted."""
    conversion = Conversion(str(odd.make(script, tmp_path)), str(tmp_path / "o"), tmp_path / "w")
    conversion.on_bad_metadata = "fail"
    with pytest.raises(StepError) as caught:
        conversion.inspect()
    assert (caught.value.step, caught.value.code) == ("inspect_source", 1)
    assert len([x for x in capsys.readouterr().err.splitlines() if x.startswith("error: ")]) == 1


def what_became_of(conversion, validation):
    migration = json.loads((conversion.work / "migration.json").read_text())
    repairs = {c["repair"] for n in migration["nodes"] for c in n["changes"] if "repair" in c}
    repairs.discard("document.words")  # shown as they are read
    kept = {defect["code"]: defect["breaks"] for defect in validation.get("defects", ())}
    others = {f["code"] for f in validation["findings"] if f["severity"] == "warning"}
    others |= {f["code"] for f in validation["findings"] if f["code"] == "source.litter"}
    others -= {*kept, "source.repaired", "yaozarrs.inherited", "ome-zarr-models.inherited"}
    repaired = {f["message"] for f in validation["findings"] if f["code"] == "source.repaired"}
    words = sorted(f"`{code}`" for code in repairs)
    if repaired and not repairs:
        words = sorted(repaired)[:1]
    costs = [f"`{code}`: {breaks}" for code, breaks in sorted(kept.items())]
    return ", ".join(words), "; ".join([*costs, *(f"`{code}`" for code in sorted(others))])


def same_pixels(source, output, conversion):
    """Compare all arrays that zarr-python opens in the source."""
    if source.suffix != ".zarr":
        return
    inventory = json.loads((conversion.work / "inventory.json").read_text())
    for array in inventory["arrays"]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                before = zarr.open_array(source / array["path"], mode="r")[...]
            except (ValueError, KeyError, TypeError, NotImplementedError):
                continue
            after = zarr.open_array(output / array["path"], mode="r")[...]
        if name_of_separator(conversion, array["path"]):
            continue  # zarr-python does not find the chunks of the source
        assert np.array_equal(before, after, equal_nan=before.dtype.kind == "f"), array["path"]


def name_of_separator(conversion, path):
    findings = json.loads((conversion.work / "inventory.json").read_text()).get("findings", ())
    return ("array.separator", path) in {(f["code"], f["path"]) for f in findings}


def test_the_table_in_the_docs(rows):
    if len(rows) == len(odd.scripts()):
        head = ("input", "where people met it", "becomes", "repaired", "kept, and what it costs",
                "refused, and why")  # fmt: skip
        check_table("ODD_INPUTS.md", "odd inputs", [head, *(rows[name] for name in sorted(rows))])
