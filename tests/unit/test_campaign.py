"""Prediction of a campaign: rates fitted to some runs hold for others; kinds; a site's limits."""

import json
from pathlib import Path

import numpy
import pytest

import estimate_campaign
from support.images import write_image
from support.steps import Conversion
from uplift.models.site import Prices
from uplift.planning.campaign import Site, campaign_of
from uplift.planning.loads import Load, load_of_kind
from uplift.planning.rates import DEFAULTS, QUANTITIES, Measured, Run, calibrated
from uplift.work import ledger
from uplift.workflow.campaign import finished_runs, table_of

RECORD = json.loads((Path(__file__).parents[1] / "data" / "campaign.json").read_text())
"""What `benchmarks/campaign.py` measured on one machine: plans and ledgers of real runs."""
OTHERS = [name for name in RECORD if name not in ("cores", "pilot")]


PILOT = [
    Run(Load(**one["load"]), one["spent"], one["threads"], one["disk_bytes"])
    for one in RECORD["pilot"]
]


def compared(found):
    return {
        "jobs": found.jobs,
        "objects": found.objects,
        "cpu_seconds": found.cpu_hours * 3600,
        "core_seconds": found.core_hours * 3600,
        "requests": found.requests,
        "bytes_read": found.bytes_read,
        "bytes_written": found.bytes_written,
    }


@pytest.mark.parametrize("name", OTHERS)
def test_datasets_that_were_not_fitted_are_predicted_within_a_quarter(name):
    """From small datasets to ones twenty times as large, to a recode, to tiny ones."""
    rates = calibrated(PILOT)
    loads = [Load(**one) for one in RECORD[name]["loads"]]
    found = compared(campaign_of(loads, rates, Site(cores=RECORD["cores"])))
    measured = RECORD[name]["measured"]
    assert found.keys() == measured.keys()
    off = {key: found[key] / measured[key] - 1 for key in found}
    assert max(map(abs, off.values())) <= 0.25, off
    assert rates.from_disk > 0.9


def made(rates, load):
    """A run that takes exactly what rates say."""
    spent = {
        quantity: {step: rates.step(quantity, step, load, load.threads) for step in load.steps}
        for quantity in QUANTITIES
    }
    return Run(load, spent, dict.fromkeys(load.steps, load.threads))


TRUE = {
    quantity: {
        step: {term: rate * (0.3 + 0.7 * n) for n, (term, rate) in enumerate(terms.items())}
        for step, terms in steps.items()
    }
    for quantity, steps in DEFAULTS.items()
}
"""Another machine."""


def kind_of(random):
    """A dataset in which now this, now that is most of the work."""

    def some(most):
        return int(random.integers(0, 2) * most ** random.uniform(0, 1))

    kept, recoded, chunks = some(10**11), some(10**11), some(10**7)
    return Load(
        documents=1 + some(10**5), arrays=some(10**5), objects=some(10**5), chunks=chunks,
        recoded_chunks=int(chunks * random.uniform()), kept_bytes=kept, recoded_bytes=recoded,
        rewrapped_bytes=some(10**11), recoded_stored_bytes=some(10**11),
        written_bytes=some(10**11), regions=some(10**5), region_bytes=some(10**10),
        whole_chunks=some(10**5), whole_bytes=some(10**10), threads=int(random.integers(1, 5)),
        archive=True,
    )  # fmt: skip


KINDS = [kind_of(numpy.random.default_rng(seed)) for seed in range(100)] + [Load(archive=True)] * 20


def test_what_records_tell_comes_back_and_what_they_do_not_is_the_default():
    rates = Measured(TRUE)
    found = calibrated([made(rates, load) for load in KINDS] * 5)
    for quantity, steps in DEFAULTS.items():
        for step, terms in steps.items():
            for term in terms:
                assert found.rates[quantity][step][term] == pytest.approx(
                    TRUE[quantity][step][term], rel=0.1
                ), (quantity, step, term)
                assert (quantity, step, term) in found.fitted
    alike = calibrated([made(rates, Load(documents=2, arrays=1, chunks=1))] * 5)
    usual = DEFAULTS["cpu_seconds"]["convert"]
    for term in ("kept MiB", "rewrapped MiB", "recoded chunk", "recoded MiB"):
        assert alike.rates["cpu_seconds"]["convert"][term] == pytest.approx(usual[term])
        assert ("cpu_seconds", "convert", term) not in alike.fitted
    assert ("cpu_seconds", "convert", "job") in alike.fitted
    assert calibrated([]) == Measured()


def test_no_rate_is_negative_and_jobs_that_waited_count_as_much():
    """Times of a busy machine scatter; their sum is what a campaign takes."""
    quick, slow = 0.2, 1.8
    runs = []
    for number, load in enumerate(KINDS * 4):
        run = made(Measured(), load)
        share = slow if (number + number // len(KINDS)) % 2 else quick  # each kind has both
        spent = {q: {s: share * v for s, v in steps.items()} for q, steps in run.spent.items()}
        runs.append(Run(load, spent, run.threads))
    found = calibrated(runs)
    assert min(r for steps in found.rates.values() for t in steps.values() for r in t.values()) >= 0
    for quantity in QUANTITIES:
        total = sum(found.total(quantity, run.load) for run in runs)
        assert total == near(sum(sum(run.spent[quantity].values()) for run in runs), 0.1)


def near(value, share=0.25):
    return pytest.approx(value, rel=share)


def test_a_campaign_outside_of_what_was_seen_is_said():
    small, large = Load(chunks=10, documents=3), Load(chunks=1000, documents=3)
    rates = calibrated([made(Measured(), small)])
    assert rates.outside([small]) == []
    (line,) = rates.outside([small, large])
    assert line == "chunks: 10 to 1,000, seen were 10 to 10"
    said = list(table_of(campaign_of([large], rates, Site()), 1, rates, [large]))
    assert any(
        one.startswith("warning: outside of what the rates come from: chunks") for one in said
    )
    assert any("cpu seconds, of records: inspect_source (job" in one for one in said)
    assert any("cpu seconds, by default: " in one and "archive (job" in one for one in said)


def test_a_pilot_that_lay_in_memory_is_said():
    load = Load(kept_bytes=10**9, recoded_stored_bytes=10**9, chunks=100)

    def said(disk_bytes):
        run = made(Measured(), load)
        rates = calibrated([Run(load, run.spent, run.threads, disk_bytes)])
        table = table_of(campaign_of([load], rates, Site()), 1, rates, [load])
        return [line for line in table if line.startswith("warning")]

    (line,) = said(10**8)
    assert "5% was read from a disk" in line
    assert said(2 * 10**9) == said(None) == []


def test_jobs_of_a_cluster_keep_their_cores_from_the_first_step_to_the_last():
    load = Load(kept_bytes=10**9, threads=4, chunks=1000)
    rates = Measured()
    here = campaign_of([load], rates, Site(cores=16))
    there = campaign_of([load], rates, Site(cores=16, start_seconds=5.0))
    assert (here.cluster_jobs, there.cluster_jobs, there.jobs) == (0, 1, 8)
    wall = sum(rates.step_seconds(step, load, 4) for step in load.steps)
    assert there.core_hours * 3600 == pytest.approx(4 * (5 + wall))
    sliced = Load(slices=3, kept_bytes=10**9, threads=4, chunks=1000)
    found = campaign_of([sliced], rates, Site(cores=16, start_seconds=5.0))
    assert found.cluster_jobs == 5
    first = sum(rates.step_seconds(step, sliced, 1) for step in load.steps[:3])
    last = sum(rates.step_seconds(step, sliced, 4) for step in load.steps[4:])
    convert = rates.step("core_seconds", "convert", sliced, 4)
    held = 5 + first + 4 * (5 + last) + 3 * 4 * 5 + convert
    assert found.core_hours * 3600 == pytest.approx(held)


def test_a_dataset_of_which_a_step_ran_twice_tells_nothing(tmp_path, capsys):
    """Nor one that is not published: only whole runs from the start are records."""
    made = Conversion(str(write_image(tmp_path / "in.zarr", size=32)), str(tmp_path / "out.zarr"),
                      tmp_path / "results" / "a")  # fmt: skip
    made.all()
    results = tmp_path / "results"
    file = results / "a" / ledger.NAME
    file.unlink(missing_ok=True)
    assert list(finished_runs(results)) == []
    for step in Load().steps:
        ledger.append(file, ledger.Spent(step=step, cpu_seconds=1.0, requests=2, exit_code=0))
    (run,) = finished_runs(results)
    assert run.spent["cpu_seconds"]["convert"] == 1.0
    assert run.spent["requests"]["convert"] == 2
    ledger.append(file, ledger.Spent(step="crate", exit_code=1))
    assert len(list(finished_runs(results))) == 1, "an attempt that failed is not counted"
    arguments = ["--plans", str(results), "--measured", str(results), "--cores", "1"]
    assert estimate_campaign.main(arguments) == 0
    said = capsys.readouterr().out
    assert "\njobs                                8\n" in said
    assert "rates: of 1 datasets; the others are defaults" in said
    assert "warning" not in said, "it is what was seen"
    plan = results / "a" / "plan.json"
    text = plan.read_text()
    plan.write_text(text.replace('"shards"', '"shard"', 1))
    assert list(finished_runs(results)) == [], "nor one whose plan was edited wrongly since"
    plan.write_text(text)
    ledger.append(file, ledger.Spent(step="crate", exit_code=0))
    assert list(finished_runs(results)) == []
    assert estimate_campaign.main(arguments) == 0
    assert "rates: all are defaults; give --measured" in capsys.readouterr().out


def test_the_slowest_of_cores_bytes_and_requests_decides():
    kind = load_of_kind(
        count=1000, arrays=10, chunks=10_000, stored_bytes=10**10, decoded_bytes=2 * 10**10,
        objects=50, recode=False, slices=1,
    )  # fmt: skip
    prices = Prices(core_hour=0.05, get_1000=0.0004, put_1000=0.005, egress_gb=0.09)
    site = Site(10, 16, 1e9, 0.04, 256, prices=prices)
    found = campaign_of([kind], Measured(), site)
    read, written = found.bytes_read, found.bytes_written
    assert (found.datasets, found.jobs, found.objects) == (1000, 8000, 50_000)
    assert found.days == max(found.days_of_cores, found.days_of_bytes, found.days_of_requests)
    assert found.days_of_bytes == pytest.approx((read + written) / 1e9 / 86_400)
    assert read == near(2 * 10**13, 0.05)
    assert written == near(10**13, 0.01)
    assert found.days_of_requests == pytest.approx(found.requests * 0.04 / 256 / 86_400)
    egress = 0.09 * (read - 10**13) / 1e9  # the output is read where it is
    requests = 0.0004 * (found.requests - 50_000) / 1000 + 0.005 * 50
    assert found.money == pytest.approx(egress + requests + 0.05 * 16 * found.node_hours)


def test_the_program(tmp_path, capsys):
    kinds = tmp_path / "kinds.csv"
    kinds.write_text(
        "count,arrays,chunks,stored_bytes,decoded_bytes,objects,method\n"
        "100000,200,20000,1e10,2e10,400,repack\n"
    )
    arguments = ["--kinds", str(kinds), "--nodes", "10", "--megabytes-per-second", "1000"]
    assert estimate_campaign.main(arguments) == 0
    assert "datasets                      100,000" in capsys.readouterr().out
    assert estimate_campaign.main([*arguments, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["jobs"] == 800_000
    assert found["bytes_written"] == near(10**15, 0.01)
    assert found["outside"] == []
    assert estimate_campaign.main([]) == 2
    assert estimate_campaign.main([*arguments, "--prices", '{"gold": 1}']) == 2
    kinds.write_text("count,arrays\n1,x\n")
    assert estimate_campaign.main(arguments) == 1
    assert f"{kinds}, line 2" in capsys.readouterr().err
    assert estimate_campaign.main(["--plans", str(tmp_path)]) == 1
    assert "run snakemake plans" in capsys.readouterr().err
