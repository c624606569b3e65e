"""An S3 server that fails, is killed, or whose objects change: no byte of the output differs."""

import json
import os
import threading
import time

import pytest

from servers.faulty_proxy import Faults, FaultyProxy
from support import s3
from support.images import write_image
from support.steps import Conversion, StepError
from support.workflow import contents
from uplift.storage.engines.obstore import ObstoreStore
from uplift.validate.pixels.regions import check_arrays

ENGINES = ("obstore", "fsspec")
RUNS = int(os.environ.get("UPLIFT_FAULT_RUNS", "3"))
"""Seeds of the runs with faults; every fourth is through s3fs, which takes three times as long."""


@pytest.fixture(autouse=True)
def environment(s3_environment, monkeypatch):
    """The owner's credentials, and one day for all runs."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """An image on disk, and what a local conversion makes of it."""
    folder = tmp_path_factory.mktemp("local")
    source, output = folder / "image.zarr", folder / "image-05.zarr"
    write_image(source, size=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        assert Conversion(str(source), str(output), folder / "w").all()["verdict"] == "valid"
    return source, s3.without_crate(contents(output))


def start_over(steps: Conversion, attempts: int = 8):
    """Do what the workflow does after exit code 75: repeat the step, then go on."""
    plain = [steps.inspect, steps.plan, steps.claim]
    for step in (*plain, steps.convert, steps.migrate, steps.write_crate, steps.validate):
        patiently(step, attempts)
    patiently(steps.publish, attempts)
    assert json.loads(steps.path("validation.json").read_text())["verdict"] == "valid"


def patiently(step, attempts):
    for _ in range(attempts):
        try:
            return step()
        except StepError as error:
            assert error.code == 75, error
            time.sleep(1.0)  # a job that is repeated takes as long to begin
    raise AssertionError(f"{step.__name__} did not end within {attempts} attempts")


FAULTS = Faults(error=0.1, before=0.01, midway=0.01, after=0.01, stall=0.005, stall_s=1.5)


@pytest.mark.parametrize("seed", range(RUNS))
def test_faults_change_no_byte(local, s3_client, bucket, s3_server, tmp_path, seed, monkeypatch):
    monkeypatch.setattr("uplift.storage.tuning.PART_BYTES", 4096)
    source, expected = local
    s3.upload(s3_client, source, bucket, "in.zarr")
    with FaultyProxy(s3_server.port, FAULTS, seed) as proxy:
        there = s3.storage(
            bucket, engine=ENGINES[seed % 4 == 3], endpoint_url=proxy.endpoint, timeout=1, retries=3
        )
        where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
        start_over(Conversion(*where, tmp_path / "w", storage=there))
    assert s3.without_crate(s3.objects(s3_client, bucket, "out.zarr")) == expected
    assert not s3.dangling(s3_client, bucket)
    assert proxy.counts["error"] > 5
    assert proxy.counts["before"] + proxy.counts["midway"] + proxy.counts["after"] > 0


def test_chunks_that_were_read_again_are_compared_from_end_to_end(
    s3_client, bucket, s3_server, tmp_path, monkeypatch
):
    write_image(tmp_path / "in.zarr", size=128, chunk=16, depth=2, labels=False)
    s3.upload(s3_client, tmp_path / "in.zarr", bucket, "in.zarr")
    regions, compared = check_arrays, []

    def noted(arrays, *rest):
        compared.extend(array for array in arrays if array.path == "0")
        return regions(arrays, *rest)

    monkeypatch.setattr("uplift.batches.validating.check_arrays", noted)
    found = []
    for share in (0.0, 0.05):
        with FaultyProxy(s3_server.port, Faults(error=share)) as proxy:
            there = s3.storage(bucket, endpoint_url=proxy.endpoint, retries=8)
            where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out{share}.zarr"
            conversion = Conversion(*where, tmp_path / str(share), storage=there, threads=1)
            found.append(conversion.all())
    assert compared[0].repeated_reads == ()
    assert 0 < len(compared[1].repeated_reads) < 2 * 2 * 8 * 8
    assert found[0]["arrays"] == found[1]["arrays"], "regions are counted alike"


@pytest.fixture
def large(s3_client, bucket, tmp_path, monkeypatch):
    """An array with too many chunks to compare each with its listing."""
    for module in ("convert.portion", "batches.surveys"):
        monkeypatch.setattr(f"uplift.{module}.MOST_LISTED", 4)
    write_image(tmp_path / "in.zarr", size=64, chunk=16, depth=2, labels=False)
    s3.upload(s3_client, tmp_path / "in.zarr", bucket, "in.zarr")

    def converted(**more):
        where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
        return Conversion(*where, tmp_path / "w", storage=s3.storage(bucket, **more), threads=1)

    return converted


@pytest.mark.parametrize("engine", ENGINES)
def test_the_objects_of_a_large_array_are_those_that_were_listed(large, engine):
    conversion = large(engine=engine)
    assert conversion.all()["verdict"] == "valid"
    records = [json.loads(path.read_text()) for path in conversion.path("records").glob("*.json")]
    (item,) = (item for record in records for item in record["items"] if item["path"] == "0")
    assert item["opened"] == item["chunks_read"] > 4


@pytest.mark.parametrize("method", ["keep", "zstd"])
def test_an_object_of_a_large_array_that_is_replaced_before_it_is_read(
    large, s3_client, bucket, monkeypatch, capfd, method
):
    conversion = large()
    conversion.plan_settings = json.dumps({"codec": method})
    for step in (conversion.inspect, conversion.plan, conversion.claim):
        step()
    fetch, key = ObstoreStore._fetch, "in.zarr/0/1/1/2/3"

    def late(store, wanted, *rest):
        if wanted == "0/1/1/2/3":
            data = s3_client.get_object(Bucket=bucket, Key=key)["Body"].read()
            s3_client.put_object(Bucket=bucket, Key=key, Body=data[:-1] + bytes([data[-1] ^ 1]))
        return fetch(store, wanted, *rest)

    monkeypatch.setattr(ObstoreStore, "_fetch", late)
    s3.refused(capfd, conversion.convert, "0: chunks changed after the source was inspected")


def test_a_server_that_is_killed_and_comes_back(
    local, s3_client, bucket, s3_server, tmp_path, monkeypatch
):
    source, expected = local
    s3.upload(s3_client, source, bucket, "in.zarr")
    monkeypatch.setattr("uplift.storage.tuning.PART_BYTES", 4096)
    shards = []

    def revive():
        time.sleep(3)
        s3_server.start_gateway()

    reviving = threading.Thread(target=revive)
    writer = ObstoreStore.writer

    def lethal(store, key, expected=0):
        shards.append(key)
        if len(shards) == 2:
            s3_server.kill_gateway()
            reviving.start()
        return writer(store, key, expected)

    monkeypatch.setattr(ObstoreStore, "writer", lethal)
    there = s3.storage(bucket, timeout=1, retries=1)
    where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
    start_over(Conversion(*where, tmp_path / "w", storage=there))
    reviving.join()
    assert s3.without_crate(s3.objects(s3_client, bucket, "out.zarr")) == expected
    assert not s3.dangling(s3_client, bucket)
