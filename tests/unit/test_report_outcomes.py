"""What became of each dataset: its state, and the line about it."""

import fcntl
import json
import os

import pytest

from support.reports import report
from support.results import Results, finding, write
from uplift.errors import INSPECT_AGAIN, INTERRUPTED
from uplift.report.facts import facts_of
from uplift.report.outcomes import STATES
from uplift.work import ledger


@pytest.fixture
def results(tmp_path):
    return Results(tmp_path / "results")


def test_states_are_kept_apart(results):
    results.published("fine")
    results.published("old", finding("warning", "yaozarrs.label.inherited", "as the source says"))
    defective = results.published("kept")
    verdict = json.loads((defective / "validation.json").read_text())
    defect = {"code": "axes.order", "message": "y before z", "breaks": "viewers", "groups": 1}
    verdict |= {"conforms": "OME-Zarr with defects", "defects": [defect], "verify": "once"}
    verdict["arrays"][0]["regions_compared"] = 1
    (defective / "validation.json").write_text(json.dumps(verdict))
    for name, defects in (("plain", []), ("around", [defect])):
        folder = results.published(name)
        plain = json.loads((folder / "validation.json").read_text()) | {"conforms": "plain Zarr"}
        (folder / "validation.json").write_text(json.dumps({**plain, "defects": defects}))
    results.validated("bad", finding("error", "pixels.differ", "differ"), verdict="invalid")
    refused = results.listed("refused")
    results.log(refused, "inspect_source", "error: in/refused.zarr: no such folder")
    failed = results.planned("failed")
    (failed / "claim.json").write_text("{}")
    results.log(failed, "convert", "error: out: the disk is full; free some space")
    cut = results.planned("cut")
    (cut / "claim.json").write_text("{}")
    part = results.planned("part")
    (part / "claim.json").write_text("{}")
    for folder in (cut, part):  # a job that is killed has no line in the ledger
        ledger.append(folder / ledger.NAME, ledger.Spent("claim", exit_code=0))
    results.log(cut, "convert/1-of-1")
    results.log(part, "claim")
    busy = results.planned("busy")
    results.planned("planned")
    results.listed("new")
    for folder in (refused, failed, cut, part):  # logs of later steps are newer
        for log in (folder / "logs").glob("plan.log"):
            os.utime(log, (1, 1))
    with results.log(busy, "migrate").open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        rows, page_ = report(results)
    assert {dataset: row["state"] for dataset, row in rows.items()} == {
        "fine": "valid",
        "old": "valid with inherited defects",
        "kept": "valid with inherited defects",
        "plain": "valid",
        "around": "valid with inherited defects",
        "bad": "invalid",
        "refused": "refused",
        "failed": "failed",
        "cut": "interrupted",
        "part": "partly done",
        "busy": "running",
        "planned": "planned",
        "new": "not started",
    }
    assert set(STATES.values()) == {row["state"] for row in rows.values()}
    assert "no such folder" in rows["refused"]["message"]
    assert rows["part"]["message"].startswith("not finished: claim is done, what follows is not")
    kept = page_.details("kept")
    assert ["conforms to", "OME-Zarr with defects"] in kept["facts"]
    compared = dict(kept["facts"])["compared"]
    assert "the source read once" in compared
    assert "1 region compared from end to end" in compared
    assert (rows["kept"]["verify"], rows["kept"]["conforms"]) == ("once", "OME-Zarr with defects")
    assert compared.endswith("(verify: once)")
    assert kept["tables"][0]["rows"] == [["axes.order", "y before z", "viewers", "1"]]
    assert "free some space" in page_.words
    findings = next(t for t in page_.details("bad")["tables"] if t["title"] == "Findings")
    assert findings["rows"] == [["error", "pixels.differ", "/", "differ"]]
    assert "bit for bit" in page_.data["meanings"]["pixels.differ"]


def test_without_a_stored_chunk_nothing_was_compared(results):
    folder = results.published("empty")
    verdict = json.loads((folder / "validation.json").read_text())
    for array in verdict["arrays"]:
        array |= {"chunks_compared": 0, "bytes_compared": 0}
    (folder / "validation.json").write_text(json.dumps(verdict))
    rows, _ = report(results)
    assert rows["empty"]["message"].startswith(
        "valid, 2 arrays with no stored chunk to compare, 9 objects (70.0 kB) in "
    )


def test_an_edited_plan_that_is_not_json_is_what_the_job_says_of_it(results):
    folder = results.planned("a")
    (folder / "plan.json").write_text('{"rules": [],}')
    log = results.log(folder, "convert/1-of-1", "error: plan.json: not JSON at line 1; repair it")
    said = facts_of(folder, results.samples[0]).outcome
    assert said.state == "failed"
    assert said.message == f"not finished: plan.json: not JSON at line 1; repair it ({log})"


def test_of_a_published_dataset_it_is_said_that_it_stays(results):
    folder = results.published("a")
    (folder / "plan.json").write_text("{")
    results.log(folder, "convert/1-of-1", "error: plan.json: not JSON; repair it")
    said = facts_of(folder, results.samples[0]).outcome
    assert said.message.endswith("; what was published before stays")


def test_the_way_on_names_the_dataset_and_the_results_folder(results):
    folder = results.planned("a")
    log = results.log(folder, "convert/1-of-1", f"error: in: changed; {INSPECT_AGAIN}")
    said = facts_of(folder, results.samples[0]).outcome.message
    assert said.endswith(f" -R inspect_source -- {folder}/published.json ({log})")


def test_ctrl_c_is_no_failure(results):
    folder = results.planned("a")
    write(folder, "claim.json", {})
    results.log(folder, "convert/1-of-1", f"error: {INTERRUPTED}")
    said = facts_of(folder, results.samples[0]).outcome
    assert (said.state, said.message) == ("interrupted", f"not finished: {INTERRUPTED}")


def test_a_damaged_work_file_is_that_datasets_message(results):
    folder = results.listed("d")
    folder.mkdir()
    (folder / "inventory.json").write_text('{"schema": ')
    results.listed("e")
    rows, page_ = report(results)
    assert "inventory.json" in rows["d"]["message"]
    assert rows["e"]["message"] == "not started"
    assert "inventory.json" in page_.words


@pytest.mark.parametrize(
    ("state", "shown"),
    [
        ("not published", "not published"),
        (
            "no longer published",
            "no longer published: readers see no dataset until it is valid",
        ),
    ],
)
def test_an_invalid_dataset_is_named_with_the_command_that_validates_again(results, state, shown):
    results.validated("bad", finding("error", "pixels.differ", "differ"), verdict="invalid")
    log = results.folder / "bad" / "logs" / "publish.log"
    log.parent.mkdir(exist_ok=True)
    said = f"{state}, it is invalid: x; after repairing it validate again: snakemake -R y"
    log.write_text(f"error: bad: {said}\n")
    message = facts_of(results.folder / "bad").outcome.message
    assert message.startswith(f"invalid, {shown}: pixels.differ at ")
    assert message.endswith("; after repairing it validate again: snakemake -R y")
