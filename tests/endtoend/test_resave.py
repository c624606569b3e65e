"""``resave.py``: one dataset by options, with the meaning and the files of the workflow."""

import json
import subprocess
import sys

import pytest
import zarr
from snakemake.cli import parse_config as snakemake_config

from support.images import write_image
from support.workflow import ROOT, Run, contents, environment, snakemake
from uplift.settings.columns import COLUMNS
from uplift.settings.config import parse_config
from uplift.settings.samples import load_samples
from uplift.workflow import resave


def resaved(folder, *arguments):
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "resave.py"), *arguments],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment(),
        timeout=300,
    )
    return Run(done.returncode, done.stdout + done.stderr)


def understood(*arguments):
    """The config that snakemake is given, as the workflow understands it."""
    given = resave.resave_parser("").parse_args(arguments)
    typed = list(resave._config(given))
    return parse_config(snakemake_config(typed), [], typed)


def test_every_column_is_an_option():
    names = {action.dest for action in resave.resave_parser("")._actions}
    assert set(COLUMNS) - names == {"plan"} - names  # which is what to do; --plan-file
    assert "plan_file" in names


@pytest.mark.parametrize(
    "text",
    ["001", "Cell 3: nucleus", "50% a # c", 'it\'s "q"', "True", "$HOME `x` ;", "ü\\", "[a, b]"],
)
def test_texts_arrive_as_they_are(text):
    assert understood("in.zarr", "out.zarr", "--name", text).name == text


def test_options_of_the_challenges_tool():
    config = understood(
        *("a/in.zarr", "/b/out.zarr", "--input-bucket", "one", "--output-bucket", "two"),
        *("--input-endpoint", "https://s3.example.org", "--input-anon", "--output-region", "x"),
        *("--rocrate-license", "CC0-1.0", "--rocrate-organism", "NCBI:txid9606"),
        *("--rocrate-modality", "obo:FBbi_00000251", "--rocrate-name", "n"),
        *("--rocrate-description", "d", "--conversion-notes", "c", "--output-chunks", "1,64,64"),
        *("--output-shards", "1,128,128", "--output-overwrite", "--rocrate-skip"),
        *("--output-threads", "3", "--log", "debug", "--config", "ozx=true"),
    )
    (sample,) = load_samples(config, check_locations=False).values()
    assert (sample.input, sample.output) == ("s3://one/a/in.zarr", "s3://two/b/out.zarr")
    assert (config.input_endpoint, config.input_anon) == ("https://s3.example.org", True)
    assert (config.output_region, config.output_anon) == ("x", None)
    assert (sample.license, sample.organism) == ("CC0-1.0", "NCBI:txid9606")
    assert (sample.modality, sample.name) == ("obo:FBbi_00000251", "n")
    assert (sample.description, sample.notes) == ("d", "c")
    assert (config.chunks, config.shards) == ((1, 64, 64), (1, 128, 128))
    assert (config.overwrite, config.crate.enabled, config.threads) == (True, False, 3)
    assert (config.console, config.ozx) == ("snakemake", True)


def test_the_page_for_those_who_come_from_there_has_every_option():
    page = (ROOT / "docs" / "FROM_CHALLENGE_TOOL.md").read_text(encoding="utf-8")
    for action in resave.resave_parser("")._actions:
        for option in action.option_strings:
            assert option in page or option in ("-h", "--help", "-n"), option


@pytest.mark.parametrize(
    ("arguments", "code", "messages"),
    [
        (
            ["a", "b", "--license", "xx", "--organism", "klingon"],
            1,
            ["--license: ", "--organism: "],
        ),
        (["a", "b", "c"], 2, ["'c': a third location; put texts into quotes"]),
        (
            ["a", "b", "--config", "planning.min_shards=3"],
            2,
            ["--config planning.min_shards=3: not"],
        ),
        (["a", "b", "--output-script"], 2, ["--output-script: no scripts are written here"]),
        (["a"], 2, []),
        (["a", "b", "--licence", "MIT"], 2, []),
        (["a", "b", "--plan", "--dry-run"], 2, []),
    ],
)
def test_refused_before_anything_starts(arguments, code, messages, capfd, monkeypatch):
    monkeypatch.setattr(resave.subprocess, "Popen", None)
    assert resave.main("", arguments) == code
    found = [line for line in capfd.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(found) == len(messages)
    assert all(f"error: {text}" in line for text, line in zip(messages, found, strict=True))


@pytest.mark.parametrize(
    ("after", "words"),
    [
        (["-R", "inspect_source"], []),
        (["--quiet", "--", "-x"], ["--quiet", "--", "-x"]),
        (["results/a/plan.json", "-p"], ["results/a/plan.json"]),
    ],
)
def test_what_follows_two_dashes_is_for_snakemake(after, words, capfd, monkeypatch):
    """Options of this program may stand between the places and the dashes."""
    given = []

    class Popen:
        __enter__ = lambda self: self  # noqa: E731
        __exit__ = lambda *_: None  # noqa: E731
        wait = lambda _: 0  # noqa: E731

        def __init__(self, words):
            given.extend(words)

    monkeypatch.setattr(resave.subprocess, "Popen", Popen)
    assert resave.main("", ["a", "b", "--license", "MIT", "--", *after]) == 0
    before = given[given.index("snakemake") + 1 : given.index("--snakefile")]
    options = given[given.index("all") + 1 : given.index("--config")]
    targets = [word for word in after[:1] if not word.startswith("-")]
    assert before == targets
    assert options == after[len(targets) :]


def test_the_files_are_those_of_snakemake(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_image(tmp_path / name / "in.zarr", size=64)
    run = resaved(tmp_path / "a", "in.zarr", "gone/out.zarr", "--dry-run", "--license", "MIT")
    assert run.code == 0, run.text
    assert not (tmp_path / "a" / "out.zarr").exists()
    run = resaved(
        tmp_path / "a", "in.zarr", "out.zarr", "--license", "MIT", "--chunks", "1 1 32 32"
    )
    assert run.code == 0, run.text
    settings = ["input=in.zarr", "output=out.zarr", "license=MIT", "chunks=[1, 1, 32, 32]"]
    assert snakemake(tmp_path / "b", "--config", *settings).code == 0
    one, other = (contents(tmp_path / name / "out.zarr") for name in ("a", "b"))
    crates = [json.loads(tree.pop("ro-crate-metadata.json")) for tree in (one, other)]
    assert one == other
    assert [len(crate["@graph"]) for crate in crates] == [len(crates[0]["@graph"])] * 2
    here, there = ({*contents(tmp_path / name / "results")} for name in ("a", "b"))
    assert here == there


def test_details_are_written_edited_and_read(tmp_path):
    write_image(tmp_path / "in.zarr", size=64, labels=False)
    run = resaved(tmp_path, "in.zarr", "details.json", "--output-write-details", "--rocrate-skip")
    assert run.code == 0, run.text
    details = json.loads((tmp_path / "details.json").read_text())
    assert isinstance(details, list)
    assert set(details[0]) == {"shape", "chunks", "shards"}
    for level in details:
        level["chunks"] = [*level["chunks"][:-2], 16, 16]
        level["shards"] = [*level["shards"][:-2], 64, 64]
    (tmp_path / "details.json").write_text(json.dumps(details))
    options = ["--output-read-details", "details.json", "--rocrate-skip"]
    run = resaved(tmp_path, "in.zarr", "out.zarr", *options)
    assert run.code == 0, run.text
    array = zarr.open_array(tmp_path / "out.zarr" / "0", mode="r")
    assert (array.chunks[-2:], array.shards[-2:]) == ((16, 16), (64, 64))
    assert not (tmp_path / "out.zarr" / "ro-crate-metadata.json").exists()


def test_a_missing_input_is_one_line(tmp_path):
    run = resaved(tmp_path, "in.zarr", "out.zarr", "--license", "MIT")
    assert run.code == 1
    (line,) = run.errors
    assert "input: in.zarr: no such folder or archive" in line
