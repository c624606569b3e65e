"""The one way to a writable output.

A job gets a :class:`HeldOutput` from :func:`hold`, with the ``claim.json`` of its run. It refuses
an output whose lock is another run's. Before its first write it takes the lock where there is none
(the dataset is published) and hides the dataset from readers by removing its root document.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from uplift.models.publication import Claim, Lock
from uplift.outputs.keys import LOCK_KEY, ROOT_KEY
from uplift.outputs.lock import read_lock, refuse_foreign, renew_lock, write_lock
from uplift.running.parallel import at_once, started
from uplift.storage.protocol import ObjectWriter, Store, Unfinished, WritableStore
from uplift.storage.writable import open_writable
from uplift.work.folder import WorkFolder
from uplift.work.json_files import read_model
from uplift.work.unfinished import forget_unfinished

SEEN_EVERY_S = 300.0
"""Between two checks of the lock, each of which renews it: a long job shows that it still runs."""
SEEN_JUST_NOW_S = 10.0
"""How long a check of a remote lock still counts when a dataset is shown, and when the lock is
removed: only people remove the lock of a running run, and publishing takes about a second."""


def hold(
    url: str, claim: Path, settings: Mapping[str, Any] | None = None, *, durability: str = "fsync"
) -> HeldOutput:
    """Open an output that this run has claimed, for writing.

    Parameters
    ----------
    url
        The output.
    claim
        The run's ``claim.json``, in its work folder.
    settings
        The config's ``storage`` section.
    durability
        ``fsync`` or ``none``, for local outputs.

    Returns
    -------
    HeldOutput
        The only kind of output that can be written.

    Raises
    ------
    InputError
        The claim cannot be read.
    OutputError
        Another run holds the output; of a remote one, the first write or flush says so.
    """
    output = open_writable(url, settings, durability=durability)
    held = HeldOutput(output, read_model(claim, Claim), claim.parent)
    held.begin_check()
    return held


class HeldOutput:
    """A :class:`~uplift.storage.protocol.WritableStore` that is this run's; safe for threads.

    Its root document and its lock cannot be written as other objects can: :meth:`show`,
    :meth:`hide` and :meth:`release` are for them.
    """

    def __init__(self, store: WritableStore, claim: Claim, folder: Path) -> None:
        self.claim = claim
        self.url, self.can_list, self.is_local = store.url, store.can_list, store.is_local
        self.reads_ahead, self.repeated_reads = store.reads_ahead, store.repeated_reads
        self.get, self.get_range, self.read_into = store.get, store.get_range, store.read_into
        self.open_object = store.open_object
        self.read_many, self.read_ranges = store.read_many, store.read_ranges
        self.stat, self.stat_many = store.stat, store.stat_many
        self.list_folder, self.list_tree = store.list_folder, store.list_tree
        self.split_tree = store.split_tree
        self.root: str | None = getattr(store, "root", None)  # of files: for readers in C++
        self._store = store
        self._folder = folder
        self._is_hidden = False
        self._seen: float | None = None
        self._answers: Callable[[], list[Any]] | None = None
        """Waits for the answers to :meth:`begin_check`."""
        self._lock: Lock | None = None
        """The lock as it was when the output was opened, until the first write renews it."""
        # writers are threads: the first one hides the dataset, the others wait for that
        self._first = threading.Lock()

    def begin_check(self) -> None:
        """Check who holds the output and whether its root document exists.

        A first write soon afterwards need not check again. On object stores both requests are sent
        at the same time, and only the first write or flush waits for the answers.

        Raises
        ------
        OutputError
            Another run holds it; for a remote output the first write or flush raises this.
        """
        store = self._store
        requests: list[Callable[[], Any]] = [lambda: read_lock(store), lambda: store.stat(ROOT_KEY)]
        self._answers = started(requests, threads=not self.is_local)
        if self.is_local:
            self._finish_check()

    def _finish_check(self) -> None:
        """Wait for the check that began when the output was opened; refuse one of another run."""
        if self._answers is None:
            return
        lock, root = self._answers()
        if lock is not None:
            refuse_foreign(self._store, lock, self.claim.run_id)
            self._lock, self._seen = lock, time.monotonic()
            self._is_hidden = root is None
        self._answers = None  # not where it was refused: each write is

    def flush(self, *, elsewhere: bool = False) -> None:
        """Make everything written so far survive a power cut; see :class:`WritableStore`."""
        with self._first:
            self._finish_check()
        self._store.flush(elsewhere=elsewhere)

    def put(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old or the new one, never a part."""
        self._prepare(key)
        self._store.put(key, data)

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none; False when there is one already."""
        self._prepare(key)
        return self._store.put_new(key, data)

    def writer(self, key: str, expected: int = 0) -> AbstractContextManager[ObjectWriter]:
        """Write an object in pieces: committed on a clean exit, discarded on an exception.

        `expected`: its size in bytes, where it is known; parts of an upload are as large as
        it needs.
        """
        self._prepare(key)
        return self._store.writer(key, expected)

    def copy_from(self, source: Store, source_key: str, key: str) -> bool:
        """Copy an object without its bytes passing through here; False where impossible.

        Result and parameters as :meth:`uplift.storage.protocol.WritableStore.copy_from`.
        """
        self._prepare(key)
        return self._store.copy_from(source, source_key, key)

    def delete(self, key: str) -> None:
        """Delete one object; no error when absent."""
        self._prepare(key)
        self._store.delete(key)

    def delete_tree(self, prefix: str) -> None:
        """Delete every object under the folder `prefix`."""
        self._prepare(prefix)
        self._store.delete_tree(prefix)

    def find_unfinished(self, key: str | None = None) -> Unfinished:
        """Find what killed writers left, which no reader sees."""
        return self._store.find_unfinished(key)

    def remove_unfinished(self, found: Unfinished) -> int:
        """Remove what :meth:`find_unfinished` found; return how many of it are gone."""
        with self._first:
            self._ensure_lock()
        return self._store.remove_unfinished(found)

    def show(self, root_document: bytes) -> None:
        """Write the root document, after everything else is on disk: readers see the dataset."""
        with self._first:
            self._finish_check()
        there = None
        if not (self._is_hidden and self._is_seen_just_now()):
            requests: list[Callable[[], Any]] = [self._check_lock, lambda: self.get(ROOT_KEY)]
            _, there = at_once(requests, threads=not self.is_local)
        self.flush(elsewhere=True)  # the crate is another job's, which did not wait for the disk
        if there != root_document:
            self._store.put(ROOT_KEY, root_document)
        self._is_hidden = False
        self.flush()

    def hide(self, *, is_shown: bool | None = None) -> None:
        """Remove the root document, so that readers see no dataset.

        `is_shown`: whether it existed a moment ago; None: unknown. Each job that opens the output
        notices one that was written meanwhile, and removes it before its first write.
        """
        with self._first:
            self._ensure_lock()
            self._hide(is_shown=is_shown)

    def hide_other(self, root_document: bytes) -> None:
        """Hide a root document that is to be replaced by this one, where nothing else is written.

        A changed setting may concern only the root of a published dataset, and no other object.
        """
        with self._first:
            self._finish_check()
            if self._is_hidden:
                return
        if self.get(ROOT_KEY) not in (None, root_document):
            self.hide(is_shown=True)

    def note_lock(self, lock: Lock) -> None:
        """Note that this run has just written, or seen, the lock."""
        self._lock, self._seen = lock, time.monotonic()

    def clear(self) -> None:
        """Delete everything but the lock."""
        self.hide()
        folders, files = self.list_folder("")
        for info in files:
            if info.key != LOCK_KEY:
                self._store.delete(info.key)
        for name in folders:
            self._store.delete_tree(name)

    def release(self) -> None:
        """Remove this run's lock; another run's stays."""
        if not self._is_seen_just_now():
            lock = read_lock(self._store)
            if lock is None or lock.run_id != self.claim.run_id:
                return
        self._store.delete(LOCK_KEY)

    def _hide(self, *, is_shown: bool | None = None) -> None:
        if is_shown is None:
            is_shown = self._store.stat(ROOT_KEY) is not None
        if is_shown:
            self._store.delete(ROOT_KEY)
        self._is_hidden = True

    def _prepare(self, key: str) -> None:
        """Ensure, before a write, that this run holds the output and that the dataset is hidden."""
        if key in ("", ROOT_KEY, LOCK_KEY):
            raise ValueError(f"{key or 'the whole output'}: not for steps to write")
        if self._is_hidden and self._lock is None and self._is_seen():
            return
        with self._first:
            self._ensure_lock()
            if not self._is_hidden:
                self._hide()

    def _ensure_lock(self) -> None:
        """Check and renew the lock before a write; or only renew it, checked a moment ago."""
        forget_unfinished(WorkFolder(self._folder))
        self._finish_check()
        if not self._is_seen():
            self._check_lock()
        elif self._lock is not None:
            renew_lock(self._store, self._lock)
        self._lock = None

    def _is_seen(self) -> bool:
        """Whether the lock was checked so recently that it need not be checked."""
        return self._seen is not None and time.monotonic() - self._seen < SEEN_EVERY_S

    def _is_seen_just_now(self) -> bool:
        """Whether the lock of a remote output need not even be checked for publishing."""
        seen = self._seen
        return not self.is_local and seen is not None and time.monotonic() - seen < SEEN_JUST_NOW_S

    def _check_lock(self) -> None:
        """Take the lock if there is none, else renew it; refuse another run's."""
        lock = read_lock(self._store)
        if lock is None:
            write_lock(self._store, self.claim.run_id, self.claim.generation, self._folder)
        else:
            refuse_foreign(self._store, lock, self.claim.run_id)
            renew_lock(self._store, lock)
        self._seen = time.monotonic()
