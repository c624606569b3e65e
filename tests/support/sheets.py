"""Sample sheets written and read in a folder of a test."""

import pytest

from uplift.settings.config import Config
from uplift.settings.mistakes import MistakesError
from uplift.settings.samples import load_samples

HEADER = "dataset,input,output,license,organism,modality,name,description,notes"


def sheet_reader(tmp_path, monkeypatch):
    """Work in `tmp_path`; a function that writes a sheet there and loads it."""
    monkeypatch.chdir(tmp_path)

    def read(text, encoding="utf-8", check_locations=False, **settings):
        (tmp_path / "s.csv").write_bytes(text.encode(encoding))
        return load_samples(Config(samples="s.csv", **settings), check_locations=check_locations)

    return read


def lines(sheet, *rows, header=HEADER, **settings):
    with pytest.raises(MistakesError) as caught:
        sheet("\n".join([header, *rows]) + "\n", **settings)
    return caught.value.lines
