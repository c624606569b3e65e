"""A site is asked by no more requests at once than its cap says, however many jobs run."""

import json

import pytest

from servers.web import WebServer
from support.images import write_image
from support.workflow import snakemake

CAP = 4


@pytest.mark.parametrize("jobs", [1, 2])
def test_requests_of_all_jobs_together(tmp_path, jobs):
    """As many jobs side by side as the cap has room for."""
    web = tmp_path / "web"
    for name in "ab":
        write_image(web / f"{name}.zarr", size=128)
    with WebServer(web, delay_s=0.05) as server:
        sheet = ["dataset,input,output", *(f"{n},{server.url}/{n}.zarr,out/{n}.zarr" for n in "ab")]
        (tmp_path / "sheet.csv").write_text("\n".join(sheet))
        storage = {server.url: {"concurrency": CAP, "max_requests": CAP * jobs}}
        done = snakemake(
            tmp_path,
            *("results/a/inventory.json", "results/b/inventory.json", "--config"),
            *("samples=sheet.csv", "crate={enabled: false}", f"storage={json.dumps(storage)}"),
        )
        assert done.code == 0, done.text
        assert CAP * (jobs - 1) < server.most_at_once <= CAP * jobs
