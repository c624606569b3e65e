"""An output before it is claimed, and the file next to an output that holds its archive."""

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from uplift.models.publication import Claim, Lock
from uplift.outputs.held import HeldOutput
from uplift.outputs.keys import LOCK_KEY
from uplift.outputs.lock import write_lock
from uplift.storage.protocol import ObjectWriter, Store
from uplift.storage.settings import options_for
from uplift.storage.writable import open_writable


class UnclaimedOutput:
    """An output for the claim step: it can be read, and its lock can be taken.

    Attributes
    ----------
    store
        For reading.
    """

    def __init__(self, url: str, settings: Mapping[str, Any] | None = None) -> None:
        self._store = open_writable(url, settings)
        self.store: Store = self._store

    def take_lock(
        self, run_id: str, generation: str, folder: Path, *, replacing: Lock | None = None
    ) -> HeldOutput:
        """Write the lock.

        Parameters
        ----------
        run_id, generation
            As in :class:`~uplift.models.publication.Claim`.
        folder
            The work folder of the run.
        replacing
            Lock of an abandoned run, which is removed first.

        Returns
        -------
        HeldOutput
            The same output, held.

        Raises
        ------
        OutputError
            Another run was quicker.
        """
        if replacing is not None:
            self._store.delete(LOCK_KEY)
        lock = write_lock(self._store, run_id, generation, folder)
        claim = Claim(run_id=run_id, output=self.store.url, generation=lock.generation)
        held = HeldOutput(self._store, claim, folder)
        held.note_lock(lock)
        return held


class ArchiveFile:
    """One file next to an output: the only one of that folder that may be written.

    Attributes
    ----------
    store, name
        The folder, for reading, and the file's key there.
    options
        Storage settings for its URL.
    """

    def __init__(self, url: str, output_url: str, settings: Mapping[str, Any] | None) -> None:
        folder, _, self.name = url.rpartition("/")
        folder = folder or ("/" if url.startswith("/") else ".")
        self.options = {folder: options_for(output_url, settings).to_json()}
        self._store = open_writable(folder, self.options)
        self.store: Store = self._store

    def writer(self, expected: int) -> AbstractContextManager[ObjectWriter]:
        """Write it, about `expected` bytes, in pieces; readers see the old or the new file."""
        return self._store.writer(self.name, expected)

    def finish(self) -> int:
        """Make it survive a power cut, and remove unfinished files of killed writers; how many."""
        self._store.flush()
        return self._store.remove_unfinished(self._store.find_unfinished(self.name))
