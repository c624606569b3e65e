"""Azure's blob storage: the promises of a store, and conversions, on a real server."""

import json
import uuid

import pytest

from servers import azurite
from support.images import write_image
from support.steps import Conversion
from support.store_contract import PROMISES
from support.workflow import contents
from uplift.errors import InputError, StorageError
from uplift.storage import open_store
from uplift.storage.writable import open_writable


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if azurite.program() is None:
        pytest.skip("no azurite: npm install -g azurite, or set UPLIFT_AZURITE to azurite-blob")
    running = azurite.Azurite(tmp_path_factory.mktemp("azurite") / "home")
    yield running
    running.stop()


@pytest.fixture
def container(server, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_NAME", azurite.ACCOUNT)
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", azurite.KEY)
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    return server.new_container(f"c{uuid.uuid4().hex}")


def settings(server, **options):
    return {"az://": {"endpoint_url": server.endpoint, "retries": 1, "timeout": 10, **options}}


def tree(files):
    """Everything but the crate, which says where the source was."""
    return {key: data for key, data in files.items() if "ro-crate" not in key}


@pytest.mark.parametrize("promise", PROMISES, ids=lambda f: f.__name__)
def test_promises(server, container, promise):
    promise(open_writable(f"az://{container}/x y/out.zarr", settings(server)))


def test_converted_there_and_back(server, container, tmp_path):
    source = write_image(tmp_path / "in.zarr", size=64, depth=2)
    there = f"az://{container}/a b/ü.zarr"
    output = open_writable(there, settings(server))
    for key, data in contents(source).items():
        output.put(key, data)
    found = {}
    places = {"local": (source, tmp_path / "out.zarr"), "back": (there, tmp_path / "back.zarr")}
    places["there"] = (there, f"az://{container}/out.zarr")
    for name, (one, other) in places.items():
        work = tmp_path / "work" / name
        steps = Conversion(str(one), str(other), work, storage=json.dumps(settings(server)))
        assert steps.all()["verdict"] == "valid"
        store = open_store(str(other), settings(server))
        found[name] = {info.key: store.get(info.key) for info in store.list_tree("")}
    assert tree(found["local"]) == tree(found["back"]) == tree(found["there"])


def test_public_data_need_no_key(server, container, monkeypatch):
    public = server.new_container(f"p{uuid.uuid4().hex}", public=True)
    for name in (container, public):
        open_writable(f"az://{name}", settings(server)).put("x", b"1")
    monkeypatch.delenv("AZURE_STORAGE_ACCOUNT_KEY")
    there = settings(server, anon=True)
    assert open_store(f"az://{public}", there).get("x") == b"1"
    with pytest.raises(StorageError, match=container):
        open_store(f"az://{container}", there).get("x")


def test_an_absent_container_is_no_absent_object(server, container):
    with pytest.raises(StorageError, match=r"az://no-such.*the container does not exist"):
        open_store("az://no-such", settings(server)).get("x")


def test_a_wrong_key_is_no_absent_object(server, container, monkeypatch):
    monkeypatch.setenv("AZURE_STORAGE_ACCOUNT_KEY", "d3Jvbmc=")
    with pytest.raises(StorageError, match=f"az://{container}.*credentials") as caught:
        open_store(f"az://{container}", settings(server)).get("x")
    assert "d3Jvbmc" not in str(caught.value)


def test_settings_that_the_other_engine_does_not_know_are_refused(server, container):
    with pytest.raises(InputError, match=f"az://{container}: endpoint_url and anon"):
        open_store(f"az://{container}", settings(server, engine="fsspec"))
