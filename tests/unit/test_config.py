"""Config: every mistake is one line that says where, what and what to do."""

import importlib.util
import json
import re
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from pydantic import create_model
from snakemake.cli import parse_config as snakemake_config

from uplift.models.base import Model
from uplift.settings.columns import COLUMNS
from uplift.settings.config import FOR_ALL_ROWS, Config, Crate, parse_config
from uplift.settings.duplicate_keys import duplicate_keys
from uplift.settings.mistakes import MistakesError
from uplift.settings.typed import quoted_argument
from uplift.settings.values import codec_from_text, lengths_from_text

ROOT = Path(__file__).resolve().parents[2]
SCHEMAS = ROOT / "workflow" / "schemas"
DEFAULTS = yaml.safe_load((ROOT / "config" / "config.yaml").read_text())


def typed(*arguments):
    """As Snakemake hands it over: the file, then what was typed."""
    given = snakemake_config(arguments)
    sources = [("config.yaml", DEFAULTS), ("--config", given)]
    return parse_config({**DEFAULTS, **given}, sources, arguments)


def lines(*arguments):
    with pytest.raises(MistakesError) as caught:
        typed(*arguments)
    return caught.value.lines


def test_the_default_file_says_what_the_model_says():
    assert parse_config(DEFAULTS) == Config()


def test_the_default_file_has_every_key():
    single = set(COLUMNS) - set(FOR_ALL_ROWS)
    single |= {f"{side}_{key}" for side in ("input", "output") for key in ("endpoint", "anon")}
    single |= {"input_region", "output_region"}
    assert set(DEFAULTS) == set(Config.model_fields) - single
    assert set(DEFAULTS["crate"]) == set(Crate.model_fields)
    assert set(DEFAULTS["planning"]) == set(Config.model_fields["planning"].annotation.model_fields)


def test_the_readme_names_every_key_and_column():
    text = (ROOT / "config" / "README.md").read_text(encoding="utf-8")
    columns, _, parameters = text.partition("### Parameters")
    assert [name for name in COLUMNS if f"`{name}`" not in columns] == []
    keys = set(Config.model_fields) - (set(COLUMNS) - set(FOR_ALL_ROWS))
    assert [name for name in keys if f"`{name}`" not in parameters] == []
    assert [name for name in Crate.model_fields if f"`{name}`" not in parameters] == []


def test_schemas_are_those_of_the_models():
    spec = importlib.util.spec_from_file_location("exporter", ROOT / "scripts/export_schemas.py")
    exporter = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(exporter)
    for name in exporter.MODELS:
        found = (SCHEMAS / f"{name}.schema.json").read_text(encoding="utf-8")
        assert json.loads(found) == exporter.schema_of(name), f"{name}: run make schemas"
    assert len(list(SCHEMAS.iterdir())) == len(exporter.MODELS)


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        # unknown keys, at the top and inside
        ("smaples=a.csv", '--config: smaples: unknown key "smaples"; did you mean "samples"?'),
        (
            "planning={shard_mb: 1}",
            '--config: planning.shard_mb: unknown key "shard_mb"; did you mean "shard_mib"?',
        ),
        # wrong values
        (
            "durability=fsnc",
            '--config: durability: "fsnc" is not one of fsync, none; did you mean "fsync"?',
        ),
        (
            "planning={shard_mib: 0}",
            "--config: planning.shard_mib: 0 is not a size in MiB, 1 or more",
        ),
        ("crate={enabled: maybe}", '--config: crate.enabled: "maybe" is not true or false'),
        ("crate=no", '--config: crate: "no" is not a mapping'),
        (
            "target_version=0.6",
            '--config: target_version: 0.6 is not one of 0.5; did you mean "0.5"?',
        ),
        (
            "chunks=[1, a]",
            '--config: chunks: ["1", "a"] is not lengths along the axes, such as '
            "1 1 1 512 512 or {y: 512, x: 512}",
        ),
        (
            "shards=[0, 4]",
            '--config: shards: ["0", "4"] is not lengths along the axes, such as '
            "1 1 8 2048 2048 or {y: 512}, or none",
        ),
        # a blank is missing, and YAML reads a key without a value
        (
            "chunks={y:128,x:64}",
            '--config: chunks: {"y:128": "", "x:64": ""} is not lengths along the axes, such as '
            "1 1 1 512 512 or {y: 512, x: 512}; a blank belongs after the colon: {y: 128}",
        ),
        (
            "planning={min_shards:32}",
            '--config: planning["min_shards:32"]: unknown key "min_shards:32"; a blank belongs '
            "after the colon: {min_shards: 32}",
        ),
        (
            "defaults={licence: MIT}",
            '--config: defaults.licence: unknown column "licence"; did you mean "license"?',
        ),
        (
            'storage={"s3://b/": {endpoint_url: "https://key:secret@host"}}',
            '--config: storage["s3://b/"].endpoint_url: "https://key:secret@host" is not a URL '
            "such as https://s3.example.org",
        ),
        (
            "storage={bucket: {anon: true}}",
            '--config: storage["bucket"]: is not the beginning of a URL; write it as in '
            "s3://bucket/",
        ),
        (
            'storage={"s3:": {anon: true}}',
            '--config: storage["s3:"]: is not the beginning of a URL; write it s3://',
        ),
        (
            'storage={"s3:/b/": {anon: true}}',
            '--config: storage["s3:/b/"]: is not the beginning of a URL; write it s3://b/',
        ),
        # codecs that no array can be written with
        (
            'codec=[{"name": "zstdd"}]',
            '--config: codec: codec "zstdd" is unknown or would lose precision; did you mean '
            '"zstd"?',
        ),
        (
            'codec=[{"name": "zstd", "configuration": {"level": 99}}]',
            '--config: codec: codec "zstd": level is 99, use -131072 to 22',
        ),
        (
            'codec=[{"id": "zstd"}]',
            "--config: codec: a codec is an object with a name, such as "
            """{"name": "zstd"}; not {'id': 'zstd'}""",
        ),
        (
            'defaults={codec: [{"name": "sharding_indexed"}]}',
            '--config: defaults.codec: codecs holds "sharding_indexed"; give the shard shape as '
            '"shards" instead',
        ),
        (
            "date_published=2026-02-31",
            '--config: date_published: "2026-02-31" is not a day such as 2026-01-31',
        ),
        # keys that mean nothing alone
        (
            "license=MIT",
            "--config: license: has no meaning without input; give input=… for a single dataset, "
            "or defaults: {license: …} for every row of the sheet",
        ),
    ],
)
def test_mistakes(argument, expected):
    assert lines(argument) == [expected]


def test_keys_that_stand_twice_are_named(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text(
        "storage:\n  s3://a/: {anon: true}\n  s3://a/: {region: x}\nthreads: 2\n"
        "crate: {enabled: true}\nstorage: {}\n"
    )
    what = "the file has this key twice; merge the two under one key"
    assert list(duplicate_keys(path)) == [
        f'{path}, line 3: storage["s3://a/"]: {what}',
        f"{path}, line 6: storage: {what}",
    ]
    path.write_text("a: [\n")
    assert list(duplicate_keys(path)) == []
    assert list(duplicate_keys(ROOT / "config" / "config.yaml")) == []


def test_a_sheet_next_to_an_input_is_refused():
    assert lines("samples=s.csv", "input=in.zarr") == [
        "--config: samples: has no meaning next to input (--config), which is a single dataset; "
        "leave one of them out"
    ]


def test_all_mistakes_are_said():
    assert len(lines("smaples=a", "durability=x", "threads=0")) == 3


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("001", "the number 1"),
        ("1e3", "the number 1000.0"),
        ("True", "the truth value True"),
        ("Cell 3: nucleus", "a mapping"),
        ("[a, b]", "a list"),
        ("50% a # c", "the text '50% a'"),
        ("!important", "the text ''"),
    ],
)
def test_retyped_text_is_refused_with_quoting_that_works(text, kind):
    found = lines("input=a.zarr", f"name={text}")
    assert found == [
        f"--config name={text}: Snakemake reads this as {kind}; "
        f"{quoted_argument('name', text)} works"
    ]


@pytest.mark.parametrize(
    "text",
    ["001", "Cell 3: nucleus", "50% a # c", 'it\'s "q"', "True", "$HOME `x` ;", "Zelle ü", "a\\b"],
)
def test_the_quoting_works(text):
    import shlex

    _, argument = shlex.split(quoted_argument("name", text))
    assert typed("input=a.zarr", argument).name == text


@pytest.mark.parametrize("text", ["CC-BY-4.0", "plain", "a b", "/data/my file.zarr", "s3://b/c"])
def test_plain_text_needs_no_quoting(text):
    assert typed("input=a.zarr", f"name={text}").name == text


def test_typed_settings():
    config = typed(
        "overwrite=true",
        "chunks=[1,1,256,256]",
        "shards=none",
        "codec=zstd",
        "planning={min_shards: 2}",
        "crate={enabled: false}",
        'storage={"s3://b/": {anon: true, timeout: 2.5}}',
    )
    assert config.overwrite
    assert config.chunks == (1, 1, 256, 256)
    assert config.shards == "none"
    assert config.codec[0]["name"] == "zstd"
    assert config.planning.min_shards == 2
    assert not config.crate.enabled
    assert config.storage["s3://b/"].given() == {"anon": True, "timeout": 2.5}


def test_a_day_in_yaml_is_a_day():
    data = yaml.safe_load("date_published: 2026-01-31")
    assert parse_config(data).date_published == "2026-01-31"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 1 512", [1, 1, 512]),
        ("[1,1,512]", [1, 1, 512]),
        ("1, 512", [1, 512]),
        (["1", "2"], [1, 2]),
        ([1, 2], [1, 2]),
        ("{y: 512, x: 256}", {"y": 512, "x": 256}),
        ('{"y": 512}', {"y": 512}),
        ("{y: 512, x: many}", "{y: 512, x: many}"),
        ({"y": "512"}, {"y": 512}),
        ("1 x", "1 x"),
        ("none", "none"),
        ("", ""),
    ],
)
def test_lengths(text, expected):
    assert lengths_from_text(text) == expected


def test_codecs():
    assert codec_from_text("keep") == "keep"
    assert codec_from_text('[{"name": "gzip"}]') == [{"name": "gzip"}]
    assert codec_from_text("[nonsense") == "[nonsense"
    assert codec_from_text("blosc")[0]["configuration"]["cname"] == "zstd"


ENVS = ROOT / "envs"


def names_in(file: str) -> set[str]:
    lines = (line.partition(">=")[0] for line in (ENVS / file).read_text().splitlines())
    return {name.partition("[")[0] for name in lines if name and name[0].isalpha()}


def pins_in(lock: str) -> set[str]:
    """``name==version`` of each package."""
    return set(re.findall(r"^[a-z0-9-]+==[^ ;]+", (ENVS / lock).read_text(), re.MULTILINE))


def test_the_conda_environment_has_the_versions_of_the_lock():
    environment = yaml.safe_load((ENVS / "environment.yaml").read_text())
    pins = set(environment["dependencies"][-1]["pip"])
    assert pins <= pins_in("requirements-3.12.txt")
    assert names_in("requirements.in") <= {pin.partition("==")[0] for pin in pins}


def test_the_container_has_the_versions_of_the_lock():
    pins = pins_in("container/requirements.txt")
    assert pins <= pins_in("requirements-3.13.txt")
    assert names_in("requirements.in") <= {pin.partition("==")[0] for pin in pins}


def test_docker_and_apptainer_are_made_in_the_same_way():
    docker, apptainer = (
        (ENVS / "container" / n).read_text() for n in ("Dockerfile", "apptainer.def")
    )
    assert "FROM debian:trixie-slim\n" in docker
    assert "From: debian:trixie-slim\n" in apptainer
    for text in (docker, apptainer):
        assert "sh /opt/ngff-uplift/envs/container/install.sh\n" in text
        assert "PATH=/opt/venv/bin:" in text
    copied = {
        line.split()[0]
        for line in apptainer.partition("%files")[2].partition("%")[0].splitlines()
        if line
    }
    kept = {
        line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line[0] == "!"
    }
    assert copied == kept


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13", "3.14"])
def test_locks_name_every_requirement_and_no_place(version):
    text = (ENVS / f"requirements-{version}.txt").read_text()
    assert "://" not in text
    assert "--index-url" not in text
    for name in names_in("requirements.in") | names_in("development.in"):
        assert f"\n{name}" in text, f"{version}: {name}: make lock"


def test_models_are_built_once_whatever_threads_ask_first():
    """Models are built at first use; pydantic alone fails now and then when threads race to it."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(40):
            part = create_model("Part", __base__=Model, size=(int, ...))
            whole = create_model("Whole", __base__=Model, part=(part, ...), parts=(list[part], []))
            start = threading.Barrier(8)

            def build(model, start=start):
                start.wait()
                return model.model_validate({"part": {"size": 2}}).part.size

            with ThreadPoolExecutor(8) as pool:
                assert list(pool.map(build, [whole] * 8)) == [2] * 8
    finally:
        sys.setswitchinterval(before)
