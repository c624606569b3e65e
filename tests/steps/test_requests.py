"""Requests of each step to an object store, counted by a server, and how many wait for others."""

import json

import numpy as np
import pytest

from servers.faulty_proxy import Faults, FaultyProxy
from support import s3
from support.images import multiscales, write_array, write_json, write_one_array
from support.steps import Conversion
from uplift.models.inventory import Inventory
from uplift.models.plan import Plan
from uplift.planning.loads import load_of_plan
from uplift.planning.rates import Measured
from uplift.work import json_files


def write_plate(root):
    """Eight wells, two fields of two levels each."""
    names = [f"{row}/{column}" for row in "AB" for column in "1234"]
    wells = [
        {"path": name, "rowIndex": at // 4, "columnIndex": at % 4} for at, name in enumerate(names)
    ]
    plate = {
        "version": "0.4",
        "rows": [{"name": name} for name in "AB"],
        "columns": [{"name": name} for name in "1234"],
        "wells": wells,
    }
    write_json(root / ".zattrs", {"plate": plate})
    for group in (root, root / "A", root / "B"):
        write_json(group / ".zgroup", {"zarr_format": 2})
    for name in names:
        images = [{"path": "0"}, {"path": "1"}]
        write_json(root / name / ".zgroup", {"zarr_format": 2})
        write_json(root / name / ".zattrs", {"well": {"version": "0.4", "images": images}})
        for field in range(2):
            image = root / name / str(field)
            write_json(image / ".zgroup", {"zarr_format": 2})
            write_json(image / ".zattrs", {"multiscales": multiscales(2, "yx")})
            for level, side in enumerate((16, 8)):
                values = np.arange(1, side * side + 1, dtype="<u2").reshape(side, side)
                write_array(image / str(level), values, (8, 8))


WAITS = {
    # requests, and of these how many wait for one another
    "image": {
        "inspect": (8, 2),
        "plan": (0, 0),
        "claim": (4, 2),
        "convert": (90, 25),
        "migrate": (6, 2),
        "write_crate": (5, 2),
        "validate": (60, 8),
        "publish": (5, 4),
    },
    "plate": {
        "inspect": (185, 8),
        "plan": (0, 0),
        "claim": (4, 2),
        "convert": (280, 12),
        "migrate": (180, 7),
        "write_crate": (5, 2),
        "validate": (365, 16),
        "publish": (5, 4),
    },
}


@pytest.mark.usefixtures("s3_environment")
@pytest.mark.parametrize("kind", WAITS)
def test_requests_of_each_step_and_those_that_wait_for_others(
    kind, s3_server, tmp_path, monkeypatch
):
    client = s3.client(s3_server)
    bucket = s3.new_bucket(client)
    if kind == "image":
        write_one_array(tmp_path / "in.zarr", side=512, chunk=64)
    else:
        write_plate(tmp_path / "in.zarr")
    s3.upload(client, tmp_path / "in.zarr", bucket, "in.zarr")
    where = f"s3://{bucket}/in.zarr", f"s3://{bucket}/out.zarr"
    conversion = Conversion(*where, tmp_path / "far", threads=1, digest_limit_mib=0)
    conversion.plan_settings = json.dumps({"shards": [256, 256]}) if kind == "image" else "{}"
    # how much of a file is read at once says nothing about requests
    monkeypatch.setattr("uplift.arrays.output_objects.BUFFER_BYTES", 2**10)
    found = {}
    with FaultyProxy(s3_server.port, Faults(latency_s=0.15)) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        for name in WAITS[kind]:
            before = proxy.counts["requests"]
            proxy.spans.clear()
            getattr(conversion, name)()
            found[name] = proxy.counts["requests"] - before, proxy.longest_wait()
    assert json.loads(conversion.path("validation.json").read_text())["verdict"] == "valid"
    for name, (requests, waits) in WAITS[kind].items():
        assert found[name][0] <= requests, (name, found[name])
        assert found[name][1] <= waits, (name, found[name])
    refuse_other_prediction(conversion, sum(requests for requests, _ in found.values()))


def refuse_other_prediction(conversion, counted):
    """What plans and campaigns predict of the requests, before anything is measured."""
    plan = json_files.read_model(conversion.path("plan.json"), Plan)
    inventory = json_files.read_model(conversion.path("inventory.json"), Inventory)
    load = load_of_plan(plan, inventory, conversion.slices)
    assert Measured().total("requests", load) == pytest.approx(counted, rel=0.25)
    assert plan.estimate.costs.requests == pytest.approx(counted, rel=0.25)
