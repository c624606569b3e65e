"""Objects of a source that are neither metadata nor chunks: copied, or listed as dropped."""

from collections.abc import Iterable

from uplift.errors import SourceError
from uplift.models.findings import Findings
from uplift.models.inventory import InventoryFile
from uplift.models.litter import is_litter
from uplift.models.words import counted
from uplift.storage.protocol import ObjectInfo
from uplift.zarr_metadata.consolidated import KEY_V2

DROPPED = (KEY_V2,)
"""Objects that the output does not need: consolidated metadata of Zarr v2."""
NODE_DOCUMENTS = (".zarray", ".zgroup", "zarr.json")
"""Objects that make a folder a node."""


class SourceFiles:
    """Sorts files in the order in which a walk finds them.

    Attributes
    ----------
    copied, dropped
        Files by what happens with them.
    links
        Links that lead nowhere, outside of arrays.
    """

    def __init__(self, findings: Findings, *, copy_litter: bool) -> None:
        self._findings = findings
        self._copy_litter = copy_litter
        self._litter: list[ObjectInfo] = []
        self.copied: list[InventoryFile] = []
        self.dropped: list[InventoryFile] = []
        self.links: list[str] = []

    def add(self, files: Iterable[ObjectInfo]) -> None:
        """Sort the files of a folder that is not an array."""
        for info in self._without_litter(files):
            name = info.key.rpartition("/")[2]
            if info.leads_nowhere:
                self.links.append(info.key)
            goes = name in DROPPED or info.leads_nowhere
            (self.dropped if goes else self.copied).append(_entry(info))

    def add_from_array(self, path: str, files: Iterable[ObjectInfo], *, has_chunks: bool) -> None:
        """Sort objects of an array that are not chunks; the output needs the path of some.

        Parameters
        ----------
        path, files
            Of the array, and the objects in it that are not chunks of its grid.
        has_chunks
            Other objects are chunks; without any, these may be chunks under unexpected names.
        """
        skip = len(path) + 1 if path else 0
        copied, hidden = [], []
        for info in self._without_litter(files):
            key = info.key[skip:]
            if key in DROPPED or key == ".zgroup":
                self.dropped.append(_entry(info))
            elif key == "c" or key.startswith("c/"):
                hidden.append(info.key)
                self.dropped.append(_entry(info))
            else:
                copied.append(info.key)
                self.copied.append(_entry(info))
        nested = [key for key in copied if key.rpartition("/")[2] in NODE_DOCUMENTS]
        if nested:
            text = (
                f"{nested[0]}: Zarr metadata inside an array is not a node; copied, not converted"
            )
            self._findings.warning("array.nested", path, text)
        elif (copied or hidden) and not has_chunks:
            objects = counted(len(copied) + len(hidden), "object")
            text = (
                f"{objects}, such as {[*copied, *hidden][0]}, and none has the name of a chunk: "
                f"{'copied as files' if copied else 'left out'}, and the array reads as its fill "
                "value, here as at the source"
            )
            self._findings.warning("array.no_chunks", path, text)
        elif copied:
            strays = counted(len(copied), "object")
            text = f"{strays} other than chunks of the array, such as {copied[0]}; copied"
            self._findings.info("array.strays", path, text)
        if hidden:
            outside = counted(len(hidden), "object")
            text = f"{outside} outside the chunk grid, such as {hidden[0]}; left out"
            self._findings.warning("array.outside_grid", path, text)

    def add_older(self, path: str, older: list[ObjectInfo]) -> None:
        """List the Zarr v2 form of a node that is one of v3."""
        if older:
            self.dropped += map(_entry, older)
            text = f"{len(older)} documents and chunks of Zarr v2, such as {older[0].key}, where "
            self._findings.info("zarr.both", path, f"{text}zarr.json counts; left out")

    def note_litter(self) -> None:
        """Note findings about what was left out, once the walk is over."""
        if self._litter:
            text = f"{len(self._litter)} files of operating systems, such as {self._litter[0].key}"
            self._findings.info("source.litter", "", f"{text}: left out (litter: copy copies them)")

    def note_dangling_links(self, named: Iterable[str], url: str) -> None:
        """Refuse links that lead nowhere where metadata name something, and note the others.

        Parameters
        ----------
        named
            Paths that metadata name.
        url
            Of the source.

        Raises
        ------
        SourceError
            What the metadata name may lie on a disk that is not there now.
        """
        if not self.links:
            return
        wanted = {f"{path}/" for path in named}
        for key in self.links:
            if any(path.startswith(f"{key}/") for path in wanted):
                raise SourceError(
                    f"{url}/{key}: the link leads nowhere, and metadata name what is to be there; "
                    "restore its target (is a disk mounted?), or remove the link"
                )
            text = "the link leads nowhere, so that readers see nothing there; left out"
            self._findings.warning("source.link", key, text)

    def _without_litter(self, files: Iterable[ObjectInfo]) -> Iterable[ObjectInfo]:
        for info in files:
            if self._copy_litter or not is_litter(info.key):
                yield info
            else:
                self._litter.append(info)
                self.dropped.append(_entry(info))


def _entry(info: ObjectInfo) -> InventoryFile:
    return InventoryFile(path=info.key, bytes=info.size)
