"""Prediction of a campaign: rates fitted to some runs hold for others; kinds; a site's limits."""

import json

import pytest

import estimate_campaign
from uplift.models.plan import Costs
from uplift.models.site import Prices
from uplift.planning.campaign import (
    Load,
    Measured,
    Run,
    Site,
    calibrated,
    campaign_of,
    load_of_kind,
)


def measured(load, costs, spent):
    requests, read, written, cpu = costs
    brought = Costs(
        memory_mib=0, requests=requests, read_bytes=read, written_bytes=written, cpu_seconds=cpu
    )
    return Run(Load(*load, brought), *spent)


# Seven datasets converted on one machine of two cores, busy with other work; what stands in their
# plans and ledgers: jobs, arrays, objects; requests, bytes read and written, CPU seconds; jobs,
# core seconds, CPU seconds, objects read and written, bytes read and written.
RUNS = {
    "tiny": measured(
        (8, 2, 5), (94, 826_692, 275_996, 0.0), (8, 32.1, 5.34, 122, 841_562, 282_880)
    ),
    "many chunks": measured(
        (8, 2, 5),
        (10_254, 105_650_766, 35_217_354, 2.5),
        (8, 69.2, 8.03, 10_280, 70_449_047, 32_382_150),
    ),
    "image": measured(
        (8, 2, 12),
        (3_228, 523_018_327, 174_356_533, 1.4),
        (8, 41.9, 7.08, 3_355, 523_033_220, 174_363_778),
    ),
    "plate": measured(
        (8, 96, 267),
        (1_686, 39_309_252, 13_108_460, 1.1),
        (8, 35.6, 6.78, 2_386, 39_688_202, 13_282_593),
    ),
}
OTHERS = {
    "other image": measured(
        (8, 2, 16),
        (7_236, 718_569_040, 239_561_448, 2.1),
        (8, 43.3, 8.24, 7_413, 718_583_987, 239_568_703),
    ),
    "other plate": measured(
        (8, 216, 580),
        (3_752, 88_448_226, 29_494_838, 2.5),
        (8, 78.1, 9.38, 5_224, 89_276_636, 29_875_857),
    ),
    "three levels": measured(
        (8, 3, 15),
        (10_116, 232_611_662, 77_538_146, 3.1),
        (8, 52.0, 8.23, 10_145, 155_092_695, 71_778_457),
    ),
}


def near(value, share=0.25):
    return pytest.approx(value, rel=share)


def test_runs_that_were_not_fitted_are_predicted_within_a_quarter():
    rates = calibrated(list(RUNS.values()))
    for run in OTHERS.values():
        assert rates.cpu_seconds(run.load) == near(run.cpu_seconds)
        assert rates.requests_of(run.load) == near(run.requests)
        assert rates.written * run.load.costs.written_bytes == near(run.bytes_written)
    runs = list(OTHERS.values())
    found = campaign_of([run.load for run in runs], rates, Site(cores=1))
    assert found.jobs == sum(run.jobs for run in runs)
    assert found.node_hours * 3600 == near(sum(run.core_seconds for run in runs))
    assert found.requests == near(sum(run.requests for run in runs), 0.1)
    assert found.bytes_read == near(sum(run.bytes_read for run in runs), 0.1)


def test_rates_come_back_and_none_is_negative():
    true = Measured(job=0.3, array=0.02, work=2.0)
    common = {"memory_mib": 0, "requests": 100, "read_bytes": 9, "written_bytes": 3}
    loads = [
        Load(8, arrays, 10, Costs(cpu_seconds=cpu, **common))
        for arrays, cpu in ((1, 0.1), (1000, 12.0), (10, 300.0), (5000, 60.0))
    ]
    runs = [Run(x, 8, 2 * true.cpu_seconds(x), true.cpu_seconds(x), 100, 9, 3) for x in loads]
    found = calibrated(runs * 20)
    assert (found.job, found.array, found.work) == (near(0.3), near(0.02), near(2.0))
    assert found.busy == pytest.approx(0.5)
    cheap = [Run(x, 8, 1.0, 0.01 * x.jobs, 100, 9, 3) for x in loads]
    assert min(calibrated(cheap).array, calibrated(cheap).work) >= 0
    assert calibrated([]) == Measured()


def test_the_slowest_of_cores_bytes_and_requests_decides():
    kind = load_of_kind(
        count=1000, arrays=10, chunks=10_000, stored_bytes=10**10, decoded_bytes=2 * 10**10,
        objects=50, recode=False, slices=1,
    )  # fmt: skip
    prices = Prices(core_hour=0.05, get_1000=0.0004, put_1000=0.005, egress_gb=0.09)
    site = Site(10, 16, 1e9, 0.04, 256, prices)
    found = campaign_of([kind], Measured(), site)
    assert (found.datasets, found.jobs, found.objects) == (1000, 8000, 50_000)
    assert found.days == max(found.days_of_cores, found.days_of_bytes, found.days_of_requests)
    assert found.days_of_bytes == pytest.approx(3 * 10**13 / 1e9 / 86_400)
    assert found.days_of_requests == pytest.approx(found.requests * 0.04 / 256 / 86_400)
    egress = 0.09 * 10**13 / 1e9
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
    assert found["bytes_written"] == 10**15
    assert estimate_campaign.main([]) == 2
    assert estimate_campaign.main([*arguments, "--prices", '{"gold": 1}']) == 2
    kinds.write_text("count,arrays\n1,x\n")
    assert estimate_campaign.main(arguments) == 1
    assert f"{kinds}, line 2" in capsys.readouterr().err
    assert estimate_campaign.main(["--plans", str(tmp_path)]) == 1
    assert "run snakemake plans" in capsys.readouterr().err
