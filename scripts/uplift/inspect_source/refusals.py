"""Sources that are refused for what their nodes, names and files are; each message is one line."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NoReturn

from uplift.errors import SourceError
from uplift.inspect_source.files import NODE_DOCUMENTS
from uplift.models.inventory import Inventory
from uplift.ngff.json_kinds import objects_in, paths_in
from uplift.ngff.reading import as_read
from uplift.outputs.keys import LOCK_KEY
from uplift.settings.urls import ARCHIVES
from uplift.storage.protocol import Store, join


def refuse_odd_names(url: str, names: Iterable[str]) -> None:
    """Refuse names that are not UTF-8.

    Raises
    ------
    SourceError
        With the first of them.
    """
    for name in names:
        try:
            name.encode()
        except UnicodeEncodeError:
            raise SourceError(
                f"{url}: the name {name!a} is not UTF-8, which Zarr keys are; rename it"
            ) from None


def refuse_image_in_array(path: str, multiscales: Any) -> None:
    """Refuse an array that is its own image: in OME-Zarr an image is a group with arrays in it.

    Raises
    ------
    SourceError
        The path of a level leads to the array itself.
    """
    for entry in objects_in(as_read({"multiscales": multiscales})["multiscales"]):
        for name in paths_in(entry.get("datasets")):
            if not name.strip("./"):
                raise SourceError(
                    f"{path or 'root'}: an array that is its own image (the path of a level is "
                    f"{name!r}), which OME-Zarr 0.5 has not: move the array into a folder 0, "
                    "with a .zgroup and its multiscales outside"
                )


def refuse_no_zarr(store: Store, *, is_empty: bool) -> NoReturn:
    """Refuse a source without a group and without an array.

    Raises
    ------
    SourceError
        Always; `is_empty`: whether there is no object either.
    """
    url = store.url
    if not is_empty:
        raise SourceError(
            f"{url}: not a Zarr: no .zgroup, .zarray or zarr.json there or below; check the path"
        )
    if store.is_local and Path(url).is_file() and not url.lower().endswith(ARCHIVES):
        raise SourceError(
            f"{url}: is a file; a dataset is a folder, or an archive that ends in "
            f"{' or '.join(ARCHIVES)}"
        )
    raise SourceError(f"{url}: no such dataset, or an empty one; check the path")


def refuse_conflicts(inventory: Inventory) -> None:
    """Refuse nodes and files whose keys the output needs for its documents.

    Raises
    ------
    SourceError
        One line, with the first.
    """
    arrays, groups = inventory.arrays, inventory.groups
    for path in (*(one.path for one in arrays), *(one.path for one in groups)):
        if "zarr.json" in path.split("/"):
            raise SourceError(
                f"{inventory.source}/{path}: a folder has the name zarr.json, which Zarr v3 keeps "
                "for its documents; rename it in the source"
            )
    _refuse_two_kinds(inventory)
    for file in inventory.files:
        if file.path == LOCK_KEY:
            raise SourceError(
                f"{inventory.source}/{file.path}: a run of this workflow writes this dataset, or "
                "was stopped before its end; let it end first, or delete the file if all is there"
            )
        if file.path.rpartition("/")[2] == "zarr.json":
            raise SourceError(
                f"{inventory.source}/{file.path}: Zarr v3 metadata in a Zarr v2 dataset; the "
                "output keeps its own there: remove one of the two"
            )


def _refuse_two_kinds(inventory: Inventory) -> None:
    """Refuse an array that is a group too, with nodes below it: readers differ in what it is."""
    arrays = {one.path for one in inventory.arrays if one.source.zarr_format == 2}
    groups = {one.path.rpartition("/")[0] for one in inventory.dropped
              if one.path.rpartition("/")[2] == ".zgroup"}  # fmt: skip
    for path in sorted(arrays & groups):
        inside = (file.path for file in inventory.files
                  if file.path.rpartition("/")[2] in NODE_DOCUMENTS
                  and file.path.startswith(f"{path}/" if path else ""))  # fmt: skip
        if found := next(inside, None):
            raise SourceError(
                f"{join(inventory.source, path)}: has both .zarray and .zgroup, and {found} below; "
                "readers take it for an array or for a group: remove the document that is wrong"
            )
