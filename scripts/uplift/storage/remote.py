"""What both engines of remote storage have in common: absence, refusals, retries."""

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import Any, ClassVar, NamedTuple, Self, TypeVar

from uplift.errors import ChangedError, StorageError, TransientError
from uplift.settings.storage import StorageOptions
from uplift.storage import s3, tuning
from uplift.storage.caps import Cap, cap_of
from uplift.storage.failures import error_code, failure, is_absent_bucket, refusal_of
from uplift.storage.protocol import (
    NotedKey,
    ObjectInfo,
    Readable,
    Store,
    Unfinished,
    Wanted,
    join,
    key_of,
    refuse_changed,
)
from uplift.storage.reading import Data, ReadableStore, ReadAhead
from uplift.storage.retries import Pause, retried, seconds_of
from uplift.storage.urls import WEB, display_url, split_url
from uplift.work.traffic import TRAFFIC

log = logging.getLogger(__name__)
R = TypeVar("R")


class Fetched(NamedTuple):
    """Answer to a read.

    Attributes
    ----------
    data
        Of the object or the range.
    size, stamp
        Of the whole object, where the answer says: bytes, and ETag or time.
    """

    data: Data
    size: int | None = None
    stamp: str | None = None


class SentObject:
    """Takes an object in pieces, and sends them as the job's share allows.

    Parameters
    ----------
    send
        Hands fresh bytes to the engine, which may keep a reference to them.
    cap
        The job's share.

    Attributes
    ----------
    sent
        Bytes so far.
    """

    def __init__(self, send: Callable[[bytes], Any], cap: Cap) -> None:
        self._send, self._cap = send, cap
        self.sent = 0

    def write(self, data: bytes) -> None:
        """Append fresh bytes."""
        self._cap.moved(len(data))
        TRAFFIC.add(bytes_written=len(data))
        self.sent += len(data)
        with self._cap.gate:
            self._send(data)

    def write_all(self, pieces: Sequence[Readable]) -> None:
        """Append a copy of pieces whose memory may be used again."""
        self.write(b"".join(pieces))


class RemoteStore(ReadableStore):
    """Objects below a URL.

    Parameters
    ----------
    url
        ``s3://bucket/key``, ``gs://…``, ``az://container/…``, ``https://…``.
    root
        Path of the root as the engine takes it, without a slash at its end.
    options
        Endpoint, region, credentials, concurrency, retries.
    writable
        Sources are not.
    """

    is_local = False
    _absent: ClassVar[tuple[type[Exception], ...]]
    """What the engine raises where there is no object."""
    _failures: ClassVar[tuple[type[Exception], ...]]
    """What else it raises."""
    _taken: ClassVar[tuple[type[Exception], ...]]
    """What of that it raises where an object is that must not be."""

    def __init__(self, url: str, root: str, options: StorageOptions, *, writable: bool) -> None:
        self.url = display_url(url).rstrip("/")
        self.options = options
        self.can_list = split_url(url).scheme not in WEB
        self._root = root
        self._writable = writable
        self._can_copy = True
        self._cap = cap_of(url, options)
        self._ahead = ReadAhead(self._cap.requests)
        self._pause = Pause(self.url)
        self.repeated_reads: set[str] = set()

    @retried
    def _read(self, wanted: Wanted, start: int, length: int | None) -> Data | None:
        try:
            return self._read_once(wanted, start, length)
        except TransientError:
            self.repeated_reads.add(key_of(wanted))
            raise

    def _read_once(self, wanted: Wanted, start: int, length: int | None) -> Data | None:
        """Fetch an object or a range of it, and compare the answer with what was listed."""
        key = key_of(wanted)
        if length == 0:
            info = self.stat(key)
            if info is not None:
                refuse_changed(wanted, info.size, info.stamp, self.url)
            return None if info is None else b""
        etag = wanted.stamp or None if isinstance(wanted, ObjectInfo) and self.can_list else None
        try:
            found = self._if_present("read", key, lambda: self._fetch(key, start, length, etag))
        except ChangedError as changed:
            # Azure refuses If-Match where there is no object; others say that there is none
            try:
                there = self.stat(key) is not None
            except StorageError as error:
                raise changed from error
            if there:
                raise
            return None
        if found is None:
            return None
        data, size, stamp = found
        _set_info(wanted, size, stamp)
        self._cap.moved(len(data))
        TRAFFIC.add(objects_read=1, bytes_read=len(data))
        if isinstance(wanted, ObjectInfo):
            known = wanted.size if size is None else size
            refuse_changed(wanted, known, stamp or wanted.stamp, self.url)
        if size is not None:
            first = min(size, start) if start >= 0 else max(0, size + start)
            due = size - first if length is None else min(length, size - first)
            if len(data) != due:
                raise TransientError(
                    f"{self.url}/{key}: {len(data)} bytes came where {due} were due; run again"
                )
        return data

    @retried
    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one object, or None when absent or a folder."""
        info = self._if_present("look at", key, lambda: self._describe(self.path_of(key)))
        return None if info is None else info._replace(key=key)

    @retried
    def list_folder(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        """Names of the folders, and objects (full keys), directly under `prefix`, sorted."""
        self._refuse_listing()
        found = self._if_present("list", prefix, lambda: self._list(prefix))
        folders, files = found or ([], [])
        return sorted(set(folders)), sorted(info for info in files if info.key not in ("", prefix))

    @retried
    def put(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old or the new one."""
        self._refuse_writing()
        self._cap.moved(len(data))
        self._request("write", key, lambda: self._write(self.path_of(key), data))
        TRAFFIC.add(objects_written=1, bytes_written=len(data))

    @retried
    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none (conditional put)."""
        self._refuse_writing()
        try:
            self._sent(lambda: self._create(self.path_of(key), data))
        except self._failures as error:
            # s3fs turns the server's refusal into a bare OSError
            if isinstance(error, self._taken) or error_code(error) == "PreconditionFailed":
                # a repeated request may meet the object that its own first attempt wrote
                return self.get(key) == data
            raise self._failed(error, key, "write") from error
        return True

    @retried
    def delete(self, key: str) -> None:
        """Delete one object; no error when absent."""
        self._refuse_writing()
        self._if_present("delete", key, lambda: self._delete([self.path_of(key)]))

    def delete_tree(self, prefix: str) -> None:
        """Delete every object under the folder `prefix`."""
        self._refuse_writing()
        together: list[str] = []
        for info in self.list_tree(prefix):
            together.append(self.path_of(info.key))
            if len(together) >= tuning.DELETE_TOGETHER:
                self._delete_all(together, prefix)
                together = []
        self._delete_all(together, prefix)

    @retried
    def _delete_all(self, paths: list[str], prefix: str) -> None:
        if paths:
            self._if_present("delete", prefix, lambda: self._delete(paths))

    def copy_from(self, source: Store, source_key: str, key: str) -> bool:
        """Copy an object inside the server; False where that is not possible.

        Result and parameters as :meth:`uplift.storage.protocol.WritableStore.copy_from`.
        """
        self._refuse_writing()
        if not (self._can_copy and isinstance(source, type(self)) and self._shares_server(source)):
            return False
        try:
            self._copied(source.path_of(source_key), key)
        except StorageError as error:
            # Not every server can, and not everybody may: the caller writes bytes.
            log.info("%s; objects are sent instead", error)
            self._can_copy = False
            return False
        return True

    @retried
    def _copied(self, path: str, key: str) -> None:
        self._request("copy", key, lambda: self._copy(path, self.path_of(key)))

    def find_unfinished(self, key: str | None = None) -> Unfinished:
        """Find what killed writers began and left unfinished (S3; others expire by themselves)."""
        is_s3 = self.url.startswith("s3")
        return s3.unfinished_uploads(self.url, self.options, key) if is_s3 else ()

    def remove_unfinished(self, found: Unfinished) -> int:
        """Abort such uploads; return their number."""
        self._refuse_writing()
        return s3.abort_uploads(self.url, self.options, found) if found else 0

    def flush(self, *, elsewhere: bool = False) -> None:
        """Nothing to do: a finished upload is durable."""

    def path_of(self, key: str) -> str:
        """Path of an object as the engine takes it."""
        return join(self._root, key)

    @abstractmethod
    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, streamed."""

    @abstractmethod
    def _fetch(self, key: str, start: int, length: int | None, etag: str | None) -> Fetched:
        """Ask for an object, or `length` bytes from `start` (negative: from the end).

        With `etag` the server is asked for that version alone (``If-Match``), where it can.
        """

    @abstractmethod
    def _describe(self, path: str) -> ObjectInfo | None: ...

    @abstractmethod
    def _list(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]: ...

    @abstractmethod
    def _create(self, path: str, data: bytes) -> Any: ...

    @abstractmethod
    def _write(self, path: str, data: bytes) -> Any: ...

    @abstractmethod
    def _delete(self, paths: list[str]) -> Any: ...

    @abstractmethod
    def _copy(self, source: str, path: str) -> Any: ...

    @abstractmethod
    def _shares_server(self, other: Self) -> bool: ...

    def _if_present(self, action: str, key: str, request: Callable[[], R]) -> R | None:
        """Answer of a request; None when the object is absent, but not when its bucket is."""
        try:
            return self._sent(request)
        except self._absent as error:
            if is_absent_bucket(error):
                raise self._failed(error, key, "find") from error
            return None
        except self._failures as error:
            raise self._failed(error, key, action) from error

    def _request(self, action: str, key: str, request: Callable[[], R]) -> R:
        """Answer of a request for which there is not the absence."""
        try:
            return self._sent(request)
        except self._failures as error:
            raise self._failed(error, key, action) from error

    def _sent(self, request: Callable[[], R]) -> R:
        """Send a request when the server may be asked and the job's share is not used up."""
        self._pause.wait()
        TRAFFIC.add(requests=1)
        with self._cap.gate:
            return request()

    def _retry_after(self, key: str) -> str | None:
        """Ask a busy server how long to wait, where the engine's error does not have it."""
        return None

    def _refuse_writing(self) -> None:
        if not self._writable:
            raise StorageError(f"{self.url}: opened for reading only; nothing is written there")

    def _refuse_listing(self) -> None:
        if not self.can_list:
            raise StorageError(f"{self.url}: plain HTTP cannot be listed")

    def _failed(self, error: BaseException, key: str, action: str) -> StorageError:
        if isinstance(error, StorageError):
            return error
        refusal = refusal_of(error)
        if refusal.is_vague and self.url.startswith("s3"):
            refusal = s3.reason_of(self.url, self.options) or refusal
        if refusal.is_busy:
            asked = seconds_of(refusal.retry_after)
            self._pause.begin(asked, lambda: seconds_of(self._retry_after(key)))
        return failure(error, f"{self.url}/{key}" if key else self.url, action, refusal)


def _set_info(wanted: Wanted, size: int | None, stamp: str | None) -> None:
    """Give a noted key the size and stamp that its object had when it was read."""
    if isinstance(wanted, NotedKey) and size is not None and stamp:
        wanted.info = ObjectInfo(str(wanted), size, stamp)
