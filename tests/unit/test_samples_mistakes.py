"""Mistakes of the sample sheet: all of them, each in one line."""

import pytest
from snakemake.io import PeriodicityDetector

from support.sheets import HEADER, lines, sheet_reader
from uplift.errors import InputError
from uplift.settings.columns import COLUMNS
from uplift.settings.config import Config, parse_config
from uplift.settings.mistakes import MistakesError
from uplift.settings.samples import (
    load_samples,
)


@pytest.fixture
def sheet(tmp_path, monkeypatch):
    return sheet_reader(tmp_path, monkeypatch)


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            "a,in,,,,,,,",
            's.csv, line 2 (dataset "a"): license: missing; give one (a column of the sheet, or '
            "defaults: {license: CC-BY-4.0} in the config), or write no crate with crate: "
            "{enabled: false}",
        ),
        (
            "a,in,,CC BY 4.0,,,,,",
            's.csv, line 2 (dataset "a"): license: "CC BY 4.0" is neither an SPDX identifier nor '
            'a URL; did you mean "CC-BY-4.0"?',
        ),
        (
            "a,in,,MIT OR Apache-2.0,,,,,",
            's.csv, line 2 (dataset "a"): license: "MIT OR Apache-2.0" is an expression; give one '
            "SPDX identifier or a URL",
        ),
        (
            "a,in,,MIT,klingon,,,,",
            's.csv, line 2 (dataset "a"): organism: "klingon" is not known here as an organism of '
            "the NCBI Taxonomy; find its identifier with: scripts/lookup_term.py klingon",
        ),
        (
            "a,in,,MIT,,FBbi_369,,,",
            's.csv, line 2 (dataset "a"): modality: "FBbi_369" is not known here as an imaging '
            "method of FBbi; find its identifier with: scripts/lookup_term.py FBbi_369",
        ),
        (
            "a,,,MIT,,,,,",
            's.csv, line 2 (dataset "a"): input: missing; give the folder or URL of an OME-Zarr '
            "dataset",
        ),
        (",in,,MIT,,,,,", "s.csv, line 2: dataset: missing; give a name for the dataset"),
        (
            "a/b,in,,MIT,,,,,",
            "s.csv, line 2 (dataset \"a/b\"): dataset: 'a/b' holds '/'; it names a folder: leave "
            "that out",
        ),
        (
            "..,in,,MIT,,,,,",
            "s.csv, line 2 (dataset \"..\"): dataset: '..' names a folder: begin it with a letter "
            "or a digit",
        ),
        (
            "scan_00000000000000000000,in,,MIT,,,,,",
            's.csv, line 2 (dataset "scan_00000000000000000000"): dataset: '
            "'scan_00000000000000000000' ends in '0', 20 times or more, which Snakemake takes for "
            "an endless recursion; give it another name",
        ),
        (
            "a,in,b/out.ozx,MIT,,,,,",
            's.csv, line 2 (dataset "a"): output: b/out.ozx: a dataset is a folder; give its name, '
            "such as b/out.zarr, and ozx: true to have it packed into one file as well",
        ),
        (
            "a,in,,MIT,,,,,,more",
            's.csv, line 2: has 10 cells, the header 9; put "quotes" around a text that holds '
            "','",
        ),
    ],
)
def test_mistakes_of_a_row(sheet, row, expected):
    assert lines(sheet, row) == [expected]


def test_braces_where_snakemake_has_wildcards(sheet, tmp_path):
    (tmp_path / "p {x}.json").write_text("{}")
    assert lines(sheet, "a,in,MIT,p {x}.json", header="dataset,input,license,plan") == [
        "s.csv, line 2 (dataset \"a\"): plan: 'p {x}.json' holds braces, which Snakemake takes for "
        "a wildcard; rename it"
    ]
    with pytest.raises(InputError, match="holds braces, which Snakemake takes"):
        parse_config({"results": "res {r}"}, [("--config", {"results": "res {r}"})])


def test_names_that_snakemake_does_not_take_for_a_recursion(sheet):
    names = ["0" * 19, "ab" * 19, "0" * 20 + "a"]
    detector = PeriodicityDetector()
    assert all(detector.is_periodic(name) is None for name in names)
    rows = [f"{name},in{number},,MIT,,,,," for number, name in enumerate(names)]
    assert list(sheet("\n".join([HEADER, *rows]))) == names
    for name in ("ab" * 20, "x" + "0" * 140, "a" + "b0" * 33):
        assert detector.is_periodic(name) is not None
        (line,) = lines(sheet, f"{name},in,,MIT,,,,,")
        assert "20 times or more" in line


def test_mistakes_of_several_rows(sheet):
    found = lines(
        sheet,
        "a,in,,MIT,,,,,",
        "",
        "a,in2,o.zarr,MIT,,,,,",
        "b,in3,output/a.zarr/,MIT,,,,,",
        "c,in4,./output/a.zarr/labels,MIT,x,y,,,",
        "d,in4,output/a.zarr/labels,MIT,,,,,",
    )
    assert found == [
        's.csv, line 4: dataset "a" is there already (s.csv, line 2); give each row a name of its '
        "own",
        's.csv, line 6 (dataset "c"): organism: "x" is not known here as an organism of the NCBI '
        "Taxonomy; find its identifier with: scripts/lookup_term.py x",
        's.csv, line 6 (dataset "c"): modality: "y" is not known here as an imaging method of '
        "FBbi; find its identifier with: scripts/lookup_term.py y",
        's.csv, line 5 (dataset "b"): output output/a.zarr/ is also that of dataset "a"; give '
        "each its own",
        's.csv, line 7 (dataset "d"): output output/a.zarr/labels is also that of dataset "c"; '
        "give each its own",
        's.csv, line 6 (dataset "c"): output ./output/a.zarr/labels lies inside that of dataset '
        '"a"; choose a location outside of it',
    ]


def test_a_quote_without_an_end_is_named_where_it_begins(sheet):
    rows = [HEADER, "a,in,,MIT,,,,,", 'b,"in2,,MIT,,,,,', "c,in3,,MIT,,,,,"]
    with pytest.raises(InputError, match='line 3: a text in "quotes" that begins here'):
        sheet("\n".join(rows))


def test_header(sheet):
    found = lines(sheet, "a,b,c,d,e", header="dataset,2023,licence,name,name")
    assert found == [
        f's.csv, line 1: unknown column "2023"; known: {", ".join(COLUMNS)}',
        's.csv, line 1: unknown column "licence"; did you mean "license"?',
        's.csv, line 1: column "name" is there twice; keep one',
        's.csv, line 1: no column "input"; the sheet needs dataset and input',
    ]
    assert lines(sheet, "a,b,c", header="Dataset,input,LICENSE") == [
        's.csv, line 1: unknown column "Dataset"; did you mean "dataset"?',
        's.csv, line 1: unknown column "LICENSE"; did you mean "license"?',
        's.csv, line 1: no column "dataset"; the sheet needs dataset and input',
    ]


def test_mistakes_of_many_rows_that_are_alike_are_one_line(sheet):
    rows = [f"d{n},in/{n}.zarr,same,CC-BY" for n in range(300)]
    found = lines(
        sheet, *rows, "", "e,,,MIT", header="dataset,input,output,license", check_locations=True
    )
    assert [line.partition(": ")[0] for line in found] == [
        's.csv, line 2 (dataset "d0")',
        's.csv, line 2 (dataset "d0")',
        's.csv, line 303 (dataset "e")',
        's.csv, line 3 (dataset "d1")',
    ]
    more = "; the same in lines 3, 4, 5 and 296 more"
    assert found[0].endswith(f'did you mean "CC-BY-4.0"?{more}')
    assert found[1].endswith(f"or take the row out{more}")
    assert found[3].endswith("give each its own; the same in lines 4, 5, 6 and 295 more")


def test_an_output_above_many_inputs_is_one_line(sheet):
    rows = [f"d{n},in/{n}.zarr,,MIT" for n in range(9)]
    header = "dataset,input,output,license"
    assert lines(sheet, "a,x.zarr,in,MIT", *rows, header=header) == [
        's.csv, line 2 (dataset "a"): output in overlaps the input of dataset "d0", in/0.zarr; '
        "choose a location outside of it; and 8 more like this",
    ]


@pytest.mark.parametrize("side", ["input", "output"])
def test_urls_that_lead_nowhere(sheet, side):
    cells = {"input": "in.zarr", "output": "out.zarr"}

    def said_of(url):
        row = ",".join(("a", *{**cells, side: url}.values(), "MIT"))
        (line,) = lines(sheet, row, header="dataset,input,output,license")
        return line.removeprefix(f's.csv, line 2 (dataset "a"): {side}: ')

    assert said_of("s3://") == "s3://: names no bucket or server; write it as in s3://NAME/in.zarr"
    assert said_of("s3:///in.zarr").startswith("s3:///in.zarr: names no bucket")
    assert said_of("file://data/in.zarr") == (
        "file://data/in.zarr: data is read as a host name; write file:///data/in.zarr "
        "for a path from the root, or the path alone"
    )


def test_web_servers_are_only_read(sheet):
    (line,) = lines(
        sheet, "a,in,https://u:pw@h/o.zarr?sig=x,MIT", header="dataset,input,output,license"
    )
    assert line == (
        's.csv, line 2 (dataset "a"): output: https://h/o.zarr: is only read; name a folder, or an '
        "object store by its own URL, such as s3://bucket/out.zarr with output_endpoint"
    )


def test_no_rows_no_file_no_text(sheet, tmp_path):
    assert lines(sheet) == ["s.csv: has no row; add one for each dataset"]
    with pytest.raises(InputError, match=r"s\.csv: is empty; write a line with the names of"):
        sheet("\n")
    with pytest.raises(InputError, match=r"s\.csv, line 2: not UTF-8 text; save it as CSV"):
        sheet("dataset,input\nä,b\n", encoding="latin-1")
    (tmp_path / "s.csv").unlink()
    with pytest.raises(InputError, match=r"no such file; give a sheet with --config samples="):
        load_samples(Config(samples="s.csv"))


def test_inputs_are_looked_at_with_all_other_mistakes(sheet, tmp_path):
    for name in ("there.zarr", "out/inner.zarr"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("a.zip", "text.txt"):
        (tmp_path / name).write_bytes(b"")
    before = sorted(tmp_path.rglob("*"))
    found = lines(
        sheet,
        "a,gone.zarr,,MIT",
        "b,text.txt,,MIT",
        "c,there.zarr,there.zarr/new,MIT",
        "d,gone.zip,,",
        f"e,file://{tmp_path}/out/inner.zarr,out,MIT",
        "f,s3://bucket/x.zarr,s3://bucket/x.zarr/y,MIT",
        "g,there.zarr,,MIT",
        header="dataset,input,output,license",
        check_locations=True,
    )
    (tmp_path / "s.csv").unlink()
    assert sorted(tmp_path.rglob("*")) == before  # a parse writes nothing
    assert [line.partition("): ")[2] for line in found] == [
        "input: gone.zarr: no such folder or archive; correct the path (relative paths start at "
        f"{tmp_path}), or take the row out",
        "input: text.txt: a file, not a folder or an archive (.zip, .ozx); give the folder that "
        "holds the dataset",
        "license: missing; give one (a column of the sheet, or defaults: {license: CC-BY-4.0} in "
        "the config), or write no crate with crate: {enabled: false}",
        "input: gone.zip: no such folder or archive; correct the path (relative paths start at "
        f"{tmp_path}), or take the row out",
        "output there.zarr/new overlaps its input there.zarr; choose a location outside of it",
        'output there.zarr/new overlaps the input of dataset "g", there.zarr; choose a location '
        "outside of it",
        "output s3://bucket/x.zarr/y overlaps its input s3://bucket/x.zarr; choose a location "
        "outside of it",
        f"output out overlaps its input file://{tmp_path}/out/inner.zarr; choose a location "
        "outside of it",
    ]


def test_a_path_that_is_next_to_the_sheet_only(tmp_path, monkeypatch):
    (tmp_path / "sheets" / "in.zarr").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    table = tmp_path / "sheets" / "s.csv"
    table.write_text("dataset,input,license\na,in.zarr,MIT\n")
    monkeypatch.chdir(tmp_path / "work")
    with pytest.raises(MistakesError) as caught:
        load_samples(Config(samples=str(table)))
    (line,) = caught.value.lines
    assert str(tmp_path / "work" / "in.zarr") in line
    assert f"write {tmp_path / 'sheets' / 'in.zarr'} if that is meant" in line
    (tmp_path / "work" / "in.zarr").mkdir()  # now it is what it says: in the working folder
    assert load_samples(Config(samples=str(table)))["a"].input == "in.zarr"


@pytest.mark.parametrize(
    ("other", "is_refused"),
    [
        ("https://h.org/a.zip?versionId=2", True),
        ("https://h.org/a.zip", True),
        ("https://me:pass@h.org/a.zip?versionId=1", True),
        ("https://h.org/a.zip?versionId=1", False),
        ("https://h.org/b.zip?versionId=1", False),
    ],
)
def test_addresses_that_differ_only_in_what_is_not_kept(sheet, other, is_refused):
    row = "{},{},MIT\n"
    text = "dataset,input,license\n" + row.format("a", "https://h.org/a.zip?versionId=1")
    text += row.format("b", other)
    if is_refused:
        refused = pytest.raises(MistakesError, match=r"input https://h.org/a\.zip: differs from")
        with refused as found:
            sheet(text)
        assert "versionId" not in str(found.value)
        assert "pass@" not in str(found.value)
    else:
        assert list(sheet(text)) == ["a", "b"]
