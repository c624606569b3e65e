"""Conversions from and to a real S3 server: the same bytes as local ones, through all faults."""

import json
import os
import re
import threading
import time

import pytest

from servers import rgw
from servers.faulty_proxy import Faults, FaultyProxy
from servers.web import WebServer
from support import s3
from support.images import write_image, write_json, write_plate_of_one_well
from support.steps import Conversion, StepError
from support.workflow import ROOT, contents, snakemake
from uplift.storage import s3 as storage_s3
from uplift.storage.engines.obstore import ObstoreStore
from uplift.validate.pixels.regions import check_arrays

ENGINES = ("obstore", "fsspec")
PAGE = ROOT / "docs" / "S3.md"
RUNS = int(os.environ.get("UPLIFT_FAULT_RUNS", "3"))
"""Seeds of the runs with faults; every fourth is through s3fs, which takes three times as long."""


@pytest.fixture(autouse=True)
def environment(s3_environment, monkeypatch):
    """The owner's credentials, and one day for all runs."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


@pytest.fixture(scope="session")
def client(s3_server):
    return s3.client(s3_server)


@pytest.fixture
def bucket(client):
    return s3.new_bucket(client)


def write_plate(root):
    """Write a plate of images with depth."""
    write_plate_of_one_well(root, depth=2)


def write_series(root):
    """Write what bioformats2raw makes of a file with two pictures."""
    write_json(root / ".zgroup", {"zarr_format": 2})
    write_json(root / ".zattrs", {"bioformats2raw.layout": 3})
    for series in range(2):
        write_image(root / str(series), size=32, depth=2, labels=False, seed=series)
    write_json(root / "OME" / ".zgroup", {"zarr_format": 2})
    write_json(root / "OME" / ".zattrs", {"series": ["0", "1"]})
    images = "".join(
        f'<Image ID="Image:{n}"><Pixels ID="Pixels:{n}" DimensionOrder="XYZCT" Type="uint16" '
        'SizeX="32" SizeY="32" SizeZ="2" SizeC="2" SizeT="1"/></Image>'
        for n in range(2)
    )
    namespace = "http://www.openmicroscopy.org/Schemas/OME/2016-06"
    (root / "OME" / "METADATA.ome.xml").write_text(f'<OME xmlns="{namespace}">{images}</OME>')


SOURCES = {"image": lambda root: write_image(root, size=32), "plate": write_plate}
SOURCES["series"] = write_series


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    """Datasets on disk, and what a local conversion makes of them."""
    folder = tmp_path_factory.mktemp("local")
    made = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SOURCE_DATE_EPOCH", "1700000000")
        for name, write in SOURCES.items():
            source, output = folder / f"{name}.zarr", folder / f"{name}-05.zarr"
            write(source)
            made[name] = source, tree(contents_of(convert(source, output, folder / f"w{name}")))
    return made


def convert(source, output, work, **options) -> Conversion:
    steps = Conversion(str(source), str(output), work, **options)
    assert steps.all()["verdict"] == "valid"
    return steps


def contents_of(steps):
    return contents(steps.work.parent / steps.output)


def tree(files):
    """Everything but the crate, which says where the source was and when it was converted."""
    return {key: data for key, data in files.items() if "ro-crate" not in key}


def storage(bucket, **options):
    return json.dumps({f"s3://{bucket}/": {"retries": 2, "timeout": 20, **options}})


@pytest.mark.parametrize("name", ["series", "plate"])
@pytest.mark.parametrize("engine", ENGINES)
def test_s3_to_s3_gives_the_bytes_of_a_local_conversion(
    local, client, bucket, tmp_path, name, engine
):
    source, expected = local[name]
    s3.upload(client, source, bucket, "in put/ü +%.zarr")
    where = f"s3://{bucket}/in put/ü +%.zarr", f"s3://{bucket}/o ut/ö&=.zarr"
    convert(*where, tmp_path / "w", storage=storage(bucket, engine=engine))
    assert tree(s3.objects(client, bucket, "o ut/ö&=.zarr")) == expected
    assert not s3.dangling(client, bucket)
    keys = s3.objects(client, bucket, "in put/ü +%.zarr")
    assert keys == contents(source)


@pytest.mark.parametrize("engine", ENGINES)
def test_s3_to_local_and_back(local, client, bucket, tmp_path, engine):
    source, expected = local["image"]
    s3.upload(client, source, bucket, "in.zarr")
    there = storage(bucket, engine=engine)
    convert(f"s3://{bucket}/in.zarr", tmp_path / "out.zarr", tmp_path / "one", storage=there)
    assert tree(contents(tmp_path / "out.zarr")) == expected
    convert(source, f"s3://{bucket}/out.zarr", tmp_path / "two", storage=there)
    assert tree(s3.objects(client, bucket, "out.zarr")) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_a_public_bucket_is_read_without_credentials(
    local, client, s3_server, bucket, tmp_path, monkeypatch, engine
):
    source, expected = local["series"]
    s3.allow(client, bucket, *s3.PUBLIC)
    s3.upload(client, source, bucket, "in.zarr")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    there = storage(bucket, engine=engine, anon=True, endpoint_url=s3_server.endpoint)
    convert(f"s3://{bucket}/in.zarr", tmp_path / "out.zarr", tmp_path / "w", storage=there)
    assert tree(contents(tmp_path / "out.zarr")) == expected


def test_the_public_example(local, client, s3_server, tmp_path, monkeypatch):
    """An anonymous archive, converted by one line of the docs with another endpoint."""
    source, expected = local["image"]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    s3.new_bucket(client, "idr")
    s3.allow(client, "idr", *s3.PUBLIC)
    s3.upload(client, source, "idr", "zarr/v0.4/idr0062A/6001240.zarr")
    line = next(
        block
        for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)
        if "s3://idr/" in block
    )
    words = line.replace("\\\n", " ").split()
    settings = [word for word in words[words.index("--config") + 1 :] if "=" in word]
    settings = [
        f"input_endpoint={s3_server.endpoint}" if word.startswith("input_endpoint=") else word
        for word in settings
    ]
    assert "input=s3://idr/zarr/v0.4/idr0062A/6001240.zarr" in settings
    run = snakemake(tmp_path, "--config", *settings)
    assert run.code == 0, run.text
    output = next(word for word in settings if word.startswith("output=")).partition("=")[2]
    assert tree(contents(tmp_path / output)) == expected


def test_an_address_outlives_the_endpoint_of_its_run(bucket, s3_server, tmp_path, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    for name in ("a", "b"):
        write_image(tmp_path / f"{name}.zarr", size=32, labels=False)
    common = ["--config", "license=CC0-1.0", "previews=false"]
    there = f"s3://{bucket}/a.zarr"
    first = ["input=a.zarr", f"output={there}"]
    run = snakemake(tmp_path, *common, *first, f"output_endpoint={s3_server.endpoint}")
    assert run.code == 0, run.text
    run = snakemake(tmp_path, *common, "input=b.zarr", "output=b-out.zarr")
    assert run.code == 0, run.text
    rows = json.loads((tmp_path / "results" / "catalog.json").read_text())
    urls = {row["dataset"]: row["url"] for row in rows}
    assert urls == {"b": "b-out.zarr", "a": f"{s3_server.endpoint}/{bucket}/a.zarr"}
    again = snakemake(tmp_path, *common, *first, f"output_endpoint={s3_server.endpoint}")
    assert "Nothing to be done" in again.text


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
def test_faults_change_no_byte(local, client, bucket, s3_server, tmp_path, seed, monkeypatch):
    monkeypatch.setattr("uplift.storage.tuning.PART_BYTES", 4096)
    source, expected = local["image"]
    s3.upload(client, source, bucket, "in.zarr")
    with FaultyProxy(s3_server.port, FAULTS, seed) as proxy:
        there = storage(
            bucket, engine=ENGINES[seed % 4 == 3], endpoint_url=proxy.endpoint, timeout=1, retries=3
        )
        where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
        start_over(Conversion(*where, tmp_path / "w", storage=there))
    assert tree(s3.objects(client, bucket, "out.zarr")) == expected
    assert not s3.dangling(client, bucket)
    assert proxy.counts["error"] > 5
    assert proxy.counts["before"] + proxy.counts["midway"] + proxy.counts["after"] > 0


def test_chunks_that_were_read_again_are_compared_from_end_to_end(
    client, bucket, s3_server, tmp_path, monkeypatch
):
    write_image(tmp_path / "in.zarr", size=128, chunk=16, depth=2, labels=False)
    s3.upload(client, tmp_path / "in.zarr", bucket, "in.zarr")
    regions, compared = check_arrays, []

    def noted(arrays, *rest):
        compared.extend(array for array in arrays if array.path == "0")
        return regions(arrays, *rest)

    monkeypatch.setattr("uplift.batches.validating.check_arrays", noted)
    found = []
    for share in (0.0, 0.05):
        with FaultyProxy(s3_server.port, Faults(error=share)) as proxy:
            there = storage(bucket, endpoint_url=proxy.endpoint, retries=8)
            where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out{share}.zarr"
            conversion = Conversion(*where, tmp_path / str(share), storage=there, threads=1)
            found.append(conversion.all())
    assert compared[0].repeated_reads == ()
    assert 0 < len(compared[1].repeated_reads) < 2 * 2 * 8 * 8
    assert found[0]["arrays"] == found[1]["arrays"], "regions are counted alike"


@pytest.fixture
def large(client, bucket, tmp_path, monkeypatch):
    """An array with too many chunks to compare each with its listing."""
    for module in ("convert.portion", "batches.surveys"):
        monkeypatch.setattr(f"uplift.{module}.MOST_LISTED", 4)
    write_image(tmp_path / "in.zarr", size=64, chunk=16, depth=2, labels=False)
    s3.upload(client, tmp_path / "in.zarr", bucket, "in.zarr")

    def converted(**more):
        where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
        return Conversion(*where, tmp_path / "w", storage=storage(bucket, **more), threads=1)

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
    large, client, bucket, monkeypatch, capfd, method
):
    conversion = large()
    conversion.plan_settings = json.dumps({"codec": method})
    for step in (conversion.inspect, conversion.plan, conversion.claim):
        step()
    fetch, key = ObstoreStore._fetch, "in.zarr/0/1/1/2/3"

    def late(store, wanted, *rest):
        if wanted == "0/1/1/2/3":
            data = client.get_object(Bucket=bucket, Key=key)["Body"].read()
            client.put_object(Bucket=bucket, Key=key, Body=data[:-1] + bytes([data[-1] ^ 1]))
        return fetch(store, wanted, *rest)

    monkeypatch.setattr(ObstoreStore, "_fetch", late)
    refused(capfd, conversion.convert, "0: chunks changed after the source was inspected")


def test_a_server_that_is_killed_and_comes_back(
    local, client, bucket, s3_server, tmp_path, monkeypatch
):
    source, expected = local["image"]
    s3.upload(client, source, bucket, "in.zarr")
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
    there = storage(bucket, timeout=1, retries=1)
    where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
    start_over(Conversion(*where, tmp_path / "w", storage=there))
    reviving.join()
    assert tree(s3.objects(client, bucket, "out.zarr")) == expected
    assert not s3.dangling(client, bucket)


def refused(capfd, step, *words, code=1):
    """Check that a step is refused with one line that names `words` and holds no secret."""
    capfd.readouterr()
    with pytest.raises(StepError) as caught:
        step()
    text = capfd.readouterr().err
    assert caught.value.code == code, text
    assert "Traceback" not in text
    assert rgw.USER[1] not in text
    (line,) = [one for one in text.splitlines() if one.startswith("error: ")]
    for word in words:
        assert word in line


def denied(client, bucket, *actions):
    s3.allow(client, bucket, *actions, effect="Deny")


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("bucket", ("s3://absent-bucket", "bucket does not exist")),
        ("list", ("in.zarr", "no permission")),
        ("read", ("in.zarr", "no permission")),
        ("secret", ("in.zarr", "AWS_SECRET_ACCESS_KEY")),
        ("key", ("in.zarr", "AWS_ACCESS_KEY_ID")),
        ("anonymous", ("in.zarr", "no permission")),
    ],
)
def test_sources_that_refuse(
    local, client, bucket, tmp_path, monkeypatch, capfd, engine, fault, words
):
    s3.upload(client, local["image"][0], bucket, "in.zarr")
    place = "absent-bucket" if fault == "bucket" else bucket
    if fault in ("list", "read"):
        denied(client, bucket, {"list": "s3:ListBucket", "read": "s3:GetObject"}[fault])
    if fault in ("secret", "key"):
        name = {"secret": "AWS_SECRET_ACCESS_KEY", "key": "AWS_ACCESS_KEY_ID"}[fault]
        monkeypatch.setenv(name, "someother")
        storage_s3.session.cache_clear()
    options = {"engine": engine, "retries": 1, "anon": fault == "anonymous"}
    steps = Conversion(
        f"s3://{place}/in.zarr",
        str(tmp_path / "out.zarr"),
        tmp_path / "w",
        storage=storage(place, **options),
    )
    refused(capfd, steps.inspect, *words)
    assert not (tmp_path / "out.zarr").exists()


@pytest.mark.parametrize("engine", ENGINES)
def test_an_output_that_may_not_be_written(local, client, bucket, tmp_path, capfd, engine):
    denied(client, bucket, "s3:PutObject")
    steps = Conversion(
        str(local["image"][0]),
        f"s3://{bucket}/out.zarr",
        tmp_path / "w",
        storage=storage(bucket, engine=engine),
    )
    refused(capfd, steps.before_validation, f"s3://{bucket}/out.zarr", "no permission")


@pytest.mark.parametrize("engine", ENGINES)
def test_an_endpoint_that_is_down(tmp_path, capfd, engine):
    there = storage("b", engine=engine, endpoint_url="http://127.0.0.1:9", timeout=1, retries=0)
    where = "s3://b/in.zarr", str(tmp_path / "out.zarr")
    steps = Conversion(*where, tmp_path / "w", storage=there)
    refused(capfd, steps.inspect, "s3://b/in.zarr", "endpoint_url", code=75)


def test_a_web_page_is_no_dataset(tmp_path, capfd):
    with WebServer(tmp_path, page=True) as server:
        url = f"{server.url}/in.zarr"
        steps = Conversion(url, str(tmp_path / "out.zarr"), tmp_path / "w")
        refused(capfd, steps.inspect, url, "web page")
