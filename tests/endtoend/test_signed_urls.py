"""A zip archive behind a signed URL of a real S3 server."""

import zipfile

import pytest

from support import s3
from support.images import write_image
from support.workflow import contents
from uplift.errors import UpliftError
from uplift.storage import hide_url, open_store

ENGINES = ("obstore", "fsspec")


@pytest.fixture
def signed(s3_server, s3_environment, tmp_path):
    """URL of an archive in a private bucket that all who have it may read."""
    image = write_image(tmp_path / "in.zarr", size=32, depth=2)
    with zipfile.ZipFile(tmp_path / "in.zip", "w") as packed:
        for path in sorted(image.rglob("*")):
            packed.write(path, path.relative_to(tmp_path))
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    what = {"Bucket": bucket, "Key": "a b/in.zip"}
    client.put_object(**what, Body=(tmp_path / "in.zip").read_bytes())
    return client.generate_presigned_url("get_object", Params=what, ExpiresIn=900)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_signed_url_is_an_archive(signed, engine, tmp_path):
    store = open_store(signed, {"http://": {"engine": engine}})
    keys = {info.key: info.size for info in store.list_tree("")}
    files = contents(tmp_path / "in.zarr")
    assert keys == {key: len(data) for key, data in files.items()}
    assert {key: store.get(key) for key in keys} == files
    assert "?" not in store.url


@pytest.mark.parametrize("engine", ENGINES)
def test_a_wrong_signature_is_not_told(signed, engine):
    url = signed.replace("Signature=", "Signature=hush", 1)
    with pytest.raises(UpliftError) as caught:
        open_store(url, {"http://": {"engine": engine, "retries": 0}})
    message = str(caught.value)
    assert "in.zip" in message
    assert "hush" not in message
    assert "get a new one" in message


def test_hidden_urls_are_found_again(signed, monkeypatch):
    monkeypatch.setenv("UPLIFT_FULL_URLS", "{}")
    shown = hide_url(signed)
    assert "?" not in shown
    assert open_store(shown).get(".zgroup") is not None
