"""Whatever becomes of a run, no file and no line of its output holds a secret."""

import zipfile

import pytest

from servers import rgw
from servers.faulty_proxy import Faults, FaultyProxy
from support import s3
from support.images import write_image
from support.workflow import Run, contents, snakemake

TOKEN = "hush-session-token"  # noqa: S105
WRONG_KEY = "hush-wrong-key"


@pytest.fixture
def client(s3_server, s3_environment):
    return s3.client(s3_server)


@pytest.fixture
def bucket(client, tmp_path):
    """A bucket with one dataset, as a folder and as an archive."""
    name = s3.new_bucket(client)
    image = write_image(tmp_path / "in.zarr", size=32, depth=2)
    s3.upload(client, image, name, "in.zarr")
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
        for path in sorted(image.rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
    client.put_object(Bucket=name, Key="in.zip", Body=(tmp_path / "in.zip").read_bytes())
    return name


def run(tmp_path, rows, *options) -> Run:
    """Run a sheet, in a folder of its own: Snakemake prints its own command line."""
    (tmp_path / "work").mkdir(exist_ok=True)
    sheet = tmp_path / "sheet.csv"
    lines = [f'd{n},"{source}","{output}",CC0-1.0' for n, (source, output) in enumerate(rows)]
    sheet.write_text("\n".join(["dataset,input,output,license", *lines]) + "\n")
    return snakemake(tmp_path / "work", "--keep-going", "--config", f"samples={sheet}", *options)


def refuse_secrets(tmp_path, done, *secrets):
    written = contents(tmp_path / "work")
    assert any("logs/" in name for name in written)
    for secret in (*rgw.USER, TOKEN, WRONG_KEY, *secrets):
        assert secret not in done.text
        for name, data in written.items():
            assert secret.encode() not in data, name


def test_runs_that_work(client, bucket, tmp_path):
    done = run(tmp_path, [(f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr")], "manifest=true")
    assert done.code == 0, done.text
    refuse_secrets(tmp_path, done)
    for key, data in s3.objects(client, bucket, "out.zarr").items():
        assert not any(secret.encode() in data for secret in rgw.USER), key


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_wrong_credentials(bucket, tmp_path, monkeypatch, engine):
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", WRONG_KEY)
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    there, here = f"s3://{bucket}", str(tmp_path)
    rows = [(f"{there}/in.zarr", f"{here}/out.zarr"), (f"{here}/in.zarr", f"{there}/out.zarr")]
    done = run(tmp_path, rows, f'storage={{"s3://": {{"engine": "{engine}"}}}}')
    assert done.code == 1
    assert len(set(done.errors)) == 2, done.text
    refuse_secrets(tmp_path, done)


@pytest.mark.parametrize("engine", ["obstore", "fsspec"])
def test_a_server_that_breaks_off(s3_server, bucket, tmp_path, monkeypatch, engine):
    monkeypatch.setenv("AWS_SESSION_TOKEN", TOKEN)
    with FaultyProxy(s3_server.port, Faults(error=0.6, before=0.4)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        done = run(
            tmp_path,
            [(f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr")],
            f'storage={{"s3://": {{"engine": "{engine}", "retries": 0, "timeout": 2}}}}',
        )
    assert done.code == 1
    assert done.errors
    refuse_secrets(tmp_path, done)


@pytest.mark.parametrize("how", ["good", "wrong", "expired"])
def test_signed_urls(client, bucket, tmp_path, how):
    what = {"Bucket": bucket, "Key": "in.zip"}
    signed = client.generate_presigned_url(
        "get_object", Params=what, ExpiresIn=0 if how == "expired" else 900
    )
    if how == "wrong":
        signed = signed.replace("Signature=", "Signature=hush", 1)
    done = run(tmp_path, [(signed, str(tmp_path / "out.zarr"))])
    assert done.code == (0 if how == "good" else 1), done.text
    assert len(set(done.errors)) == (0 if how == "good" else 1), done.text
    secret = signed.partition("Signature=")[2].partition("&")[0]
    refuse_secrets(tmp_path, done, secret)


def test_passwords_in_urls(tmp_path):
    rows = [("http://me:hush-word@127.0.0.1:9/in.zarr", str(tmp_path / "out.zarr"))]
    done = run(tmp_path, rows, 'storage={"http://": {"retries": 0, "timeout": 1}}')
    assert done.code == 1
    assert done.errors
    refuse_secrets(tmp_path, done, "hush-word")
