"""Which datasets there are, and what each step needs of them."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from uplift.models.base import keys_text
from uplift.settings.columns import COLUMNS, About, CrateSettings, Sample, SampleTable
from uplift.settings.config import FOR_ALL_ROWS, Config
from uplift.settings.locations import (
    Ends,
    absent,
    colliding_outputs,
    confused_urls,
    unusable_input,
    unusable_output,
)
from uplift.settings.mistakes import Mistake, MistakesError, lines_of, parse_all
from uplift.settings.sheet import Row, rows_of_sheet
from uplift.settings.urls import ARCHIVES, display_url
from uplift.settings.values import at_home
from uplift.terms.tables import MODALITY, ORGANISM, label_of

__all__ = ["Sample", "SampleTable", "load_samples"]

PLANS_FOLDER = Path("config/plans")
"""Where users keep plans for reproducible reruns, as ``<dataset>.json``."""


def load_samples(config: Config, *, check_locations: bool = True) -> dict[str, Sample]:
    """Samples by dataset name, in order: the sheet's, or the one that the config describes.

    Parameters
    ----------
    config
        The config: defaults of empty cells, and the sheet or the single dataset.
    check_locations
        Whether local inputs must be there, and local outputs possible. The processes of single
        jobs leave that to the first one: an input that vanishes while a job runs concerns that job
        alone.

    Raises
    ------
    MistakesError
        Every mistake of the sheet, one line each, or one for those that many rows share.
    """
    sheet = Path(config.samples) if config.input is None else None
    rows, mistakes = ([_row_of_config(config)], []) if sheet is None else rows_of_sheet(sheet)
    defaults = {
        key: value for key in COLUMNS if (value := getattr(config.defaults, key)) is not None
    }
    for_all = {} if config.spatialdata is None else {"spatialdata": config.spatialdata}
    samples: dict[str, Sample] = {}
    ends: list[Ends] = []
    first_lines: dict[str, str] = {}
    for row in rows:
        cells = {**for_all, **defaults, **row.cells}
        dataset = cells.get("dataset")
        if "output" not in cells:
            cells["output"] = f"{config.output_root.rstrip('/')}/{dataset or 'dataset'}.zarr"
        sample, found = parse_all(Sample, cells)
        named = f'{row.where} (dataset "{dataset}")' if dataset else row.where
        wrong = [f"{keys_text(keys)}: {text}" for keys, text in found]
        wrong += _mistakes_here(cells, config, sheet)
        url = cells.get("input")
        has_input = isinstance(url, str) and not any(keys[:1] == ("input",) for keys, _ in found)
        if check_locations and has_input:
            wrong += unusable_input(at_home(str(url)), sheet)
        if check_locations and sample is not None:
            wrong += unusable_output(sample.output)
        mistakes += [Mistake(named, text, _kind_of(text, cells)) for text in wrong]
        if dataset in first_lines:
            what = "give each row a name of its own"
            text = f'dataset "{dataset}" is there already ({first_lines[dataset]}); {what}'
            mistakes.append(Mistake(row.where, text, what))
        elif sample is not None and not wrong:
            samples[sample.dataset] = sample
        if isinstance(dataset, str) and dataset not in first_lines:
            first_lines[dataset] = row.where
            ends += _ends_of(row.where, cells)
    mistakes += [*colliding_outputs(ends), *confused_urls(ends)]
    if mistakes:
        raise MistakesError(list(lines_of(mistakes)))
    return samples


def unknown_terms(samples: Mapping[str, Sample]) -> Iterator[str]:
    """Organisms and imaging methods that are not known here: one line each, with the datasets."""
    found: dict[str, list[str]] = {}
    for dataset, sample in samples.items():
        for vocabulary in (ORGANISM, MODALITY):
            value = getattr(sample, vocabulary.kind)
            if value is not None and label_of(value) is None:
                found.setdefault(f"{vocabulary.kind} {value}", []).append(dataset)
    for term, datasets in found.items():
        more = f" and {len(datasets) - 1} more" if len(datasets) > 1 else ""
        yield f'{term} (dataset "{datasets[0]}"{more}): not known here, check the digits'


def storage_settings(config: Config) -> dict[str, dict[str, Any]]:
    """Settings by URL prefix, with those of a single dataset's own keys added."""
    settings = {prefix: item.given() for prefix, item in config.storage.items()}
    for side in ("input", "output"):
        url = getattr(config, side)
        own = {
            "endpoint_url": getattr(config, f"{side}_endpoint"),
            "anon": getattr(config, f"{side}_anon"),
            "region": getattr(config, f"{side}_region"),
        }
        own = {key: value for key, value in own.items() if value is not None}
        if url is not None and own:
            url = display_url(url)
            settings[url] = {**settings.get(url, {}), **own}
    return settings


def supplied_plan(sample: Sample) -> str | None:
    """Path of the plan a user gave: the sheet's, else ``config/plans/<dataset>.json``."""
    if sample.plan is not None:
        return sample.plan
    kept = PLANS_FOLDER / f"{sample.dataset}.json"
    return str(kept) if kept.is_file() else None


def plan_settings(sample: Sample, config: Config) -> dict[str, Any]:
    """Settings of one dataset's plan: what the sheet says stands above the config."""
    own = {
        key: getattr(sample, key) or getattr(config, key) for key in ("chunks", "shards", "codec")
    }
    given = {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in own.items()
        if value is not None
    }
    return {**given, **config.planning.to_json()}


def about(sample: Sample, config: Config) -> dict[str, Any]:
    """What a dataset's crate is to say: the sheet, else the config's ``crate`` section."""
    ours = [getattr(sample, name) for name in About.model_fields]
    values = {}
    for name, value in zip(About.model_fields, ours, strict=True):
        if value is None:
            value = getattr(config.crate, name, None)
        if value is None and name in FOR_ALL_ROWS:
            value = getattr(config, name)
        values[name] = value
    return About(**values).to_json()


def crate_settings(_sample: Sample, config: Config) -> dict[str, Any]:
    """How crates are written."""
    return {name: getattr(config.crate, name) for name in CrateSettings.model_fields}


def license_to_check(sample: Sample, config: Config) -> str | None:
    """License that may not be more permissive than that of the source's own crate.

    None where any may be given, or no crate is written.
    """
    free = config.crate.relicense or not config.crate.enabled
    return None if free else sample.license


def _row_of_config(config: Config) -> Row:
    cells = {
        key: value
        for key in COLUMNS
        if (value := getattr(config, key)) is not None and key not in FOR_ALL_ROWS
    }
    cells.setdefault("dataset", dataset_of_input(str(config.input)))
    return Row("config", cells)


def dataset_of_input(url: str) -> str:
    """What a dataset is called that has no name of its own: its input's, without endings."""
    name = display_url(url).rstrip("/").rpartition("/")[2]
    for suffix in (*ARCHIVES, ".zarr", ".ome"):
        name = name.removesuffix(suffix) or name
    return name


def _kind_of(text: str, cells: Mapping[str, Any]) -> str:
    """A mistake in a cell, without what the cell holds."""
    return text.replace(str(cells.get(text.partition(":")[0])), "…")


def _ends_of(where: str, cells: Mapping[str, Any]) -> Iterator[Ends]:
    ends = [cells.get(key) for key in ("dataset", "input", "output")]
    if all(isinstance(end, str) for end in ends):
        dataset, source, output = map(str, ends)
        yield Ends(where, dataset, at_home(source), at_home(output))


def _mistakes_here(cells: Mapping[str, Any], config: Config, sheet: Path | None) -> Iterator[str]:
    """Mistakes that a row is not to blame for alone: the config and the disk have a say."""
    if cells.get("license") is None and config.crate.enabled:
        how = "license=CC-BY-4.0, or --license CC-BY-4.0 of resave.py"
        if config.input is None:
            how = "a column of the sheet, or defaults: {license: CC-BY-4.0} in the config"
        yield (
            f"license: missing; give one ({how}), or write no crate with crate: {{enabled: false}}"
        )
    plan = cells.get("plan")
    if isinstance(plan, str) and not Path(plan).expanduser().is_file():
        yield f"plan: {absent(plan, sheet, 'file')}, or leave it empty to have one made"
