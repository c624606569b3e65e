"""Conversions from and to a real S3 server give the same bytes as local ones."""

import json
import re

import pytest

from support import s3
from support.images import write_image, write_json, write_plate_of_one_well
from support.steps import Conversion
from support.workflow import ROOT, contents, snakemake

ENGINES = ("obstore", "fsspec")
PAGE = ROOT / "docs" / "S3.md"


@pytest.fixture(autouse=True)
def environment(s3_environment, monkeypatch):
    """The owner's credentials, and one day for all runs."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")


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
            convert(source, output, folder / f"w{name}")
            made[name] = source, s3.without_crate(contents(output))
    return made


def convert(source, output, work, **options) -> Conversion:
    steps = Conversion(str(source), str(output), work, **options)
    assert steps.all()["verdict"] == "valid"
    return steps


@pytest.mark.parametrize("name", ["series", "plate"])
@pytest.mark.parametrize("engine", ENGINES)
def test_s3_to_s3_gives_the_bytes_of_a_local_conversion(
    local, s3_client, bucket, tmp_path, name, engine
):
    source, expected = local[name]
    s3.upload(s3_client, source, bucket, "in put/ü +%.zarr")
    where = f"s3://{bucket}/in put/ü +%.zarr", f"s3://{bucket}/o ut/ö&=.zarr"
    convert(*where, tmp_path / "w", storage=s3.storage(bucket, engine=engine))
    assert s3.without_crate(s3.objects(s3_client, bucket, "o ut/ö&=.zarr")) == expected
    assert not s3.dangling(s3_client, bucket)
    keys = s3.objects(s3_client, bucket, "in put/ü +%.zarr")
    assert keys == contents(source)


@pytest.mark.parametrize("engine", ENGINES)
def test_s3_to_local_and_back(local, s3_client, bucket, tmp_path, engine):
    source, expected = local["image"]
    s3.upload(s3_client, source, bucket, "in.zarr")
    there = s3.storage(bucket, engine=engine)
    convert(f"s3://{bucket}/in.zarr", tmp_path / "out.zarr", tmp_path / "one", storage=there)
    assert s3.without_crate(contents(tmp_path / "out.zarr")) == expected
    convert(source, f"s3://{bucket}/out.zarr", tmp_path / "two", storage=there)
    assert s3.without_crate(s3.objects(s3_client, bucket, "out.zarr")) == expected


@pytest.mark.parametrize("engine", ENGINES)
def test_a_public_bucket_is_read_without_credentials(
    local, s3_client, s3_server, bucket, tmp_path, monkeypatch, engine
):
    source, expected = local["series"]
    s3.allow(s3_client, bucket, *s3.PUBLIC)
    s3.upload(s3_client, source, bucket, "in.zarr")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name)
    there = s3.storage(bucket, engine=engine, anon=True, endpoint_url=s3_server.endpoint)
    convert(f"s3://{bucket}/in.zarr", tmp_path / "out.zarr", tmp_path / "w", storage=there)
    assert s3.without_crate(contents(tmp_path / "out.zarr")) == expected


def test_the_public_example(local, s3_client, s3_server, tmp_path, monkeypatch):
    """An anonymous archive, converted by one line of the docs with another endpoint."""
    source, expected = local["image"]
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    s3.new_bucket(s3_client, "idr")
    s3.allow(s3_client, "idr", *s3.PUBLIC)
    s3.upload(s3_client, source, "idr", "zarr/v0.4/idr0062A/6001240.zarr")
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
    assert s3.without_crate(contents(tmp_path / output)) == expected


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
