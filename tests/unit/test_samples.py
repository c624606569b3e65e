"""Sample sheet: text stays text, cells, defaults and the config go together."""

import datetime as dt
import time

import pytest

from support.sheets import HEADER, lines, sheet_reader
from uplift.settings.config import Config
from uplift.settings.mistakes import MistakesError
from uplift.settings.samples import (
    about,
    license_to_check,
    load_samples,
    plan_settings,
    storage_settings,
    supplied_plan,
    unknown_terms,
)
from uplift.workflow.start import source_state


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    return sheet_reader(tmp_path, monkeypatch)


def test_text_stays_text(sheet):
    samples = sheet(f"{HEADER}\n001,in.zarr,,MIT,,,NA,1.50,null\n")
    sample = samples["001"]
    assert (sample.name, sample.description, sample.notes) == ("NA", "1.50", "null")
    assert sample.output == "output/001.zarr"


@pytest.mark.parametrize("said", ["", "sep=;\r\n"])
def test_excel(sheet, said):
    text = f"{said}dataset;input;license\r\na;x,y.zarr;mit\r\n;;\r\n"
    samples = sheet(text, encoding="utf-8-sig")
    assert samples["a"].input == "x,y.zarr"
    assert samples["a"].license == "MIT"


@pytest.mark.parametrize("before", ["", "\n", ",,,\n", "sep=;\n;;\n", ' ;"";\r\n\r\n'])
def test_empty_cells_around_the_table(sheet, before):
    """As spreadsheets leave them, which write as many cells as a longer row has."""
    separator = ";" if ";" in before else ","
    text = "dataset,input,license\na,x,MIT,,\n,,,,,\nb,y,MIT, ,\n".replace(",", separator)
    assert [sample.input for sample in sheet(before + text).values()] == ["x", "y"]
    wrong = text.replace("MIT", "MIT?")
    with pytest.raises(MistakesError) as caught:
        sheet(before + wrong)
    line = before.count("\n") + 2
    assert caught.value.lines[0].startswith(f's.csv, line {line} (dataset "a"): license')


def test_a_row_of_several_lines_is_named_by_its_first(sheet):
    two = 'a,in,,MIT,,,"two\nlines",,'
    found = lines(sheet, two, "b,in2,,MIT?,,,,,", two)
    assert [line.split(":")[0] for line in found] == [
        's.csv, line 4 (dataset "b")',
        "s.csv, line 5",
    ]


def test_odd_characters(sheet):
    row = '"a \'b\' $c; d ü","in put\'s, $(x).zarr",,CC0-1.0,,,"two\nlines, ""quoted""",,'
    sample = sheet(f"{HEADER}\n{row}\n")["a 'b' $c; d ü"]
    assert sample.input == "in put's, $(x).zarr"
    assert sample.name == 'two\nlines, "quoted"'


def test_a_tilde_is_the_home_folder(sheet, monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    samples = sheet("dataset,input,license\na,~/in.zarr,MIT\n", output_root="~/out")
    assert (samples["a"].input, samples["a"].output) == (
        "/home/ada/in.zarr",
        "/home/ada/out/a.zarr",
    )


def test_lengths_and_codec(sheet):
    samples = sheet(
        "dataset\tinput\tchunks\tshards\tcodec\tlicense\na\tb\t1 64 64\tnone\tzstd\tMIT\n"
    )
    settings = plan_settings(samples["a"], Config(chunks=(1, 2, 3)))
    assert settings["chunks"] == [1, 64, 64]
    assert settings["shards"] == "none"
    assert settings["codec"][0]["name"] == "zstd"
    assert settings["min_shards"] == 8


def test_defaults_fill_empty_cells_only(sheet):
    samples = sheet(
        "dataset,input,license\na,x,\nb,y,MIT\n",
        defaults={"license": "CC0-1.0", "organism": "NCBI:txid9606"},
    )
    assert samples["a"].license == "CC0-1.0"
    assert samples["b"].license == "MIT"
    assert about(samples["b"], Config()) == {"license": "MIT", "organism": "NCBI:txid9606"}


def test_the_day_of_publication_comes_from_the_sheet_else_from_the_config(sheet):
    table = "dataset,input,license,date_published\na,x,MIT,2026-01-31\nb,y,MIT,\n"
    samples = sheet(table)
    assert "date_published" not in about(samples["b"], Config())
    config = Config(date_published="2020-05-06")
    days = {name: about(one, config)["date_published"] for name, one in samples.items()}
    assert days == {"a": "2026-01-31", "b": "2020-05-06"}
    samples = sheet(table, defaults={"date_published": dt.date(2021, 2, 3)})
    assert (samples["a"].date_published, samples["b"].date_published) == (
        "2026-01-31", "2021-02-03",
    )  # fmt: skip
    (line,) = lines(sheet, "a,x,MIT,31.1.2026", header="dataset,input,license,date_published")
    assert "date_published" in line
    assert "a day such as 2026-01-31" in line


def test_without_a_crate_no_license_is_needed(sheet):
    assert sheet("dataset,input\na,b\n", crate={"enabled": False})["a"].license is None


def test_a_switch_is_a_cell_a_default_or_a_key_of_the_config(sheet):
    table = "dataset,input,license,spatialdata\na,x,MIT,true\nb,y,MIT,\nc,z,MIT,False\n"
    asked = {name: one.spatialdata for name, one in sheet(table).items()}
    assert asked == {"a": True, "b": None, "c": False}
    asked = {name: one.spatialdata for name, one in sheet(table, spatialdata=True).items()}
    assert asked == {"a": True, "b": True, "c": False}
    (line,) = lines(sheet, "a,x,MIT,maybe", header="dataset,input,license,spatialdata")
    assert line.endswith('spatialdata: "maybe" is not true or false')


def test_terms_that_are_not_known_are_warned_of_once(sheet):
    samples = sheet(
        "dataset,input,license,organism,modality\na,x,MIT,txid99999999,confocal\n"
        "b,y,MIT,99999999,\nc,z,MIT,mouse,FBbi:00999999\n"
    )
    assert samples["c"].organism == "NCBI:txid10090"
    assert samples["a"].modality == "obo:FBbi_00000251"
    assert list(unknown_terms(samples)) == [
        'organism NCBI:txid99999999 (dataset "a" and 1 more): not known here, check the digits',
        'modality obo:FBbi_00999999 (dataset "c"): not known here, check the digits',
    ]


def test_plans(sheet, tmp_path):
    assert lines(sheet, "a,b,MIT,p.json", header="dataset,input,license,plan") == [
        f's.csv, line 2 (dataset "a"): plan: p.json: no such file; correct the path (relative '
        f"paths start at {tmp_path}), or leave it empty to have one made"
    ]
    (tmp_path / "p.json").write_text("{}")
    (tmp_path / "config" / "plans").mkdir(parents=True)
    (tmp_path / "config" / "plans" / "b.json").write_text("{}")
    samples = sheet("dataset,input,license,plan\na,b,MIT,p.json\nb,c,MIT,\nc,d,MIT,\n")
    assert [supplied_plan(sample) for sample in samples.values()] == [
        "p.json", "config/plans/b.json", None,
    ]  # fmt: skip


def test_a_thousand_rows_are_read_in_a_moment(sheet, tmp_path):
    for number in range(1000):
        (tmp_path / f"in{number}").mkdir()
    rows = "".join(f"d{n},in{n},CC-BY-4.0,NCBI:txid9606,1 1 64 64\n" for n in range(1000))
    begin = time.process_time()
    assert (
        len(sheet(f"dataset,input,license,organism,chunks\n{rows}", check_locations=True)) == 1000
    )
    assert time.process_time() - begin < 1


def test_one_dataset_without_a_sheet():
    config = Config(
        input="s3://bucket/my set.ome.zarr/",
        license="https://example.org/l",
        input_endpoint="https://s3.example.org",
        input_anon=True,
        chunks=(1, 64, 64),
        storage={"s3://bucket/": {"region": "x"}},
    )
    (sample,) = load_samples(config, check_locations=False).values()
    assert sample.dataset == "my set"
    assert sample.output == "output/my set.zarr"
    assert plan_settings(sample, config)["chunks"] == [1, 64, 64]
    assert storage_settings(config) == {
        "s3://bucket/": {"region": "x"},
        "s3://bucket/my set.ome.zarr/": {"endpoint_url": "https://s3.example.org", "anon": True},
    }


@pytest.mark.parametrize("name", ["a.zarr", "a.ome.zarr", "a.zarr.zip", "a.ozx", "a.zip", "a"])
def test_dataset_is_named_after_its_input(name):
    config = Config(input=f"in/{name}", license="MIT")
    assert list(load_samples(config, check_locations=False)) == ["a"]


def test_state_of_a_local_archive(tmp_path):
    archive = tmp_path / "in.zip"
    archive.write_bytes(b"1")
    first = source_state(str(archive))
    archive.write_bytes(b"22")
    assert source_state(str(archive)) != first
    assert source_state("s3://bucket/in.zip") is None


def test_a_source_that_cannot_be_read_is_for_its_own_job_to_name(tmp_path):
    looping = tmp_path / "in.zarr"
    looping.symlink_to(looping)
    archive = tmp_path / ("long" * 100)
    assert source_state(str(looping)) == source_state(str(tmp_path / "absent.zarr"))
    assert source_state(str(archive)) not in (None, source_state(str(looping)))


@pytest.mark.parametrize(
    ("crate", "license_"),
    [({}, "MIT"), ({"relicense": True}, None), ({"enabled": False}, None)],
)
def test_which_license_is_compared_with_the_sources(crate, license_):
    config = Config(input="in/a.zarr", license="MIT", crate=crate)
    (sample,) = load_samples(config, check_locations=False).values()
    assert license_to_check(sample, config) == license_


def test_secrets_of_an_address_are_not_in_the_storage_settings():
    config = Config(input="https://me:secret@h.org/x.zarr?token=1", input_region="eu")
    assert storage_settings(config) == {"https://h.org/x.zarr": {"region": "eu"}}
