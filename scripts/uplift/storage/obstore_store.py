"""Objects in S3, Google Cloud Storage, Azure and plain HTTP, through obstore (bulk bytes)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from uplift.errors import StorageError
from uplift.storage.failures import error_code, failure
from uplift.storage.protocol import ObjectInfo, ObjectWriter, join
from uplift.storage.reading import ReadAhead
from uplift.storage.retries import retried
from uplift.storage.settings import StorageOptions, aws_access, aws_credentials
from uplift.storage.uploads import abort_uploads

if TYPE_CHECKING:
    from obstore import GetOptions, WritableFile

log = logging.getLogger(__name__)

SCHEMES = ("s3", "s3a", "gs", "gcs", "az", "abfs", "abfss", "http", "https")
PART_BYTES = 16 * 2**20
"""Smallest part of a streamed upload; S3 takes 10,000 of them."""
UPLOADS = 4
"""Parts of one object on their way at once."""
_DELETE_TOGETHER = 1000
_PAGE = 10_000
_FAILURES = (BaseError, OSError, TimeoutError)


class ObstoreStore:
    """Objects below a URL.

    Parameters
    ----------
    url
        ``s3://bucket/key``, ``gs://…``, ``az://container/…`` or ``https://…``.
    options
        Endpoint, region, credentials, concurrency, retries.
    writable
        Sources are not.
    """

    is_local = False

    def __init__(self, url: str, options: StorageOptions, *, writable: bool = False) -> None:
        self.url = url.rstrip("/")
        parts = urlsplit(self.url)
        self.can_list = parts.scheme not in ("http", "https")
        self._writable = writable
        self._prefix = parts.path.strip("/") if self.can_list else ""
        self._options = options
        self._can_copy = True
        self._options = options
        self._store = _open(self.url, options)
        self._ahead = ReadAhead(options.concurrency)

    @retried
    def get(self, key: str) -> bytes | None:
        """Return the whole object, or None when absent."""
        try:
            return bytes(obstore.get(self._store, self._path(key)).bytes())
        except FileNotFoundError as error:
            self._refuse_absent_bucket(error, key)
            return None
        except _FAILURES as error:
            raise self._failed(error, key, "read") from error

    @retried
    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return `length` bytes from `start` (negative: from the end), or None when absent."""
        if length == 0:
            return b"" if self.stat(key) is not None else None
        try:
            if start >= 0:
                data = obstore.get_range(self._store, self._path(key), start=start, length=length)
                return bytes(data)
            options: GetOptions = {"range": {"suffix": -start}}
            result = obstore.get(self._store, self._path(key), options=options)
            return bytes(result.bytes())[:length]
        except FileNotFoundError as error:
            self._refuse_absent_bucket(error, key)
            return None
        except _FAILURES as error:
            if error_code(error) == "InvalidRange" or error_code(error) == "416":
                return b""
            raise self._failed(error, key, "read") from error

    def read_many(self, keys: Iterable[str]) -> Iterator[bytes | None]:
        """Yield whole objects in the order of `keys`, several requests under way."""
        return self._ahead.map(self.get, keys)

    @retried
    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one object, or None when absent."""
        try:
            return self._info(obstore.head(self._store, self._path(key)))
        except FileNotFoundError as error:
            self._refuse_absent_bucket(error, key)
            return None
        except _FAILURES as error:
            raise self._failed(error, key, "look at") from error

    @retried
    def list_folder(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        """Names of the folders, and objects (full keys), directly under `prefix`, sorted."""
        self._refuse_listing()
        try:
            found = obstore.list_with_delimiter(self._store, self._path(prefix) or None)
        except _FAILURES as error:
            raise self._failed(error, prefix, "list") from error
        folders = sorted(name.rstrip("/").rpartition("/")[2] for name in found["common_prefixes"])
        files = sorted(self._info(meta) for meta in found["objects"])
        return folders, [info for info in files if info.key and info.key != prefix]

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, page by page, in key order."""
        self._refuse_listing()
        last: str | None = None
        while True:
            page = self._page(prefix, last)
            yield from (self._info(meta) for meta in page)
            if len(page) < _PAGE:
                return
            last = page[-1]["path"]

    @retried
    def _page(self, prefix: str, last: str | None) -> Any:
        try:
            pages = obstore.list(
                self._store, self._path(prefix) or None, offset=last, chunk_size=_PAGE
            )
            return next(pages, [])
        except _FAILURES as error:
            raise self._failed(error, prefix, "list") from error

    @retried
    def put(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old or the new one."""
        self._refuse_writing()
        try:
            obstore.put(self._store, self._path(key), data, use_multipart=False)
        except _FAILURES as error:
            raise self._failed(error, key, "write") from error

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none (conditional put)."""
        self._refuse_writing()
        try:
            obstore.put(self._store, self._path(key), data, mode="create", use_multipart=False)
        except AlreadyExistsError:
            # A repeated request may meet the object that its own first attempt wrote.
            return self.get(key) == data
        except _FAILURES as error:
            raise self._failed(error, key, "write") from error
        return True

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        """Stream an object: one request when small, else a multipart upload, aborted on errors."""
        self._refuse_writing()
        try:
            with obstore.open_writer(
                self._store, self._path(key), buffer_size=PART_BYTES, max_concurrency=UPLOADS
            ) as stream:
                yield _Stream(stream)
        except _FAILURES as error:
            raise self._failed(error, key, "write") from error

    @retried
    def delete(self, key: str) -> None:
        """Delete one object; no error when absent."""
        self._refuse_writing()
        try:
            obstore.delete(self._store, self._path(key))
        except FileNotFoundError as error:
            self._refuse_absent_bucket(error, key)
        except _FAILURES as error:
            raise self._failed(error, key, "delete") from error

    def delete_tree(self, prefix: str) -> None:
        """Delete every object under the folder `prefix`."""
        self._refuse_writing()
        together: list[str] = []
        for info in self.list_tree(prefix):
            together.append(self._path(info.key))
            if len(together) >= _DELETE_TOGETHER:
                self._delete_all(together, prefix)
                together = []
        self._delete_all(together, prefix)

    def remove_unfinished(self, key: str | None = None) -> int:
        """Abort what killed writers began and left unfinished (S3; others expire by themselves)."""
        self._refuse_writing()
        return abort_uploads(self.url, self._options, key) if self.url.startswith("s3") else 0

    def flush(self) -> None:
        """Nothing to do: a finished upload is durable."""

    def copy_from(self, source: ObstoreStore, source_key: str, key: str) -> bool:
        """Copy an object inside the server; False where that is not possible."""
        self._refuse_writing()
        if not (self._can_copy and self._same_bucket(source)):
            return False
        try:
            self._copy(source._path(source_key), key)
        except StorageError as error:
            # Not every server can, and not everybody may: the caller writes bytes.
            log.info("%s; objects are sent instead", error)
            self._can_copy = False
            return False
        return True

    @retried
    def _copy(self, path: str, key: str) -> None:
        try:
            obstore.copy(self._store, path, self._path(key))
        except _FAILURES as error:
            raise self._failed(error, key, "copy") from error

    def _same_bucket(self, other: ObstoreStore) -> bool:
        mine, others = urlsplit(self.url), urlsplit(other.url)
        if not self.can_list or (mine.scheme, mine.netloc) != (others.scheme, others.netloc):
            return False
        endpoints = {aws_access(store._options).endpoint_url for store in (self, other)}
        return mine.scheme not in ("s3", "s3a") or len(endpoints) == 1

    def _delete_all(self, paths: list[str], prefix: str) -> None:
        if not paths:
            return
        try:
            obstore.delete(self._store, paths)
        except FileNotFoundError as error:
            self._refuse_absent_bucket(error, prefix)
        except _FAILURES as error:
            raise self._failed(error, prefix, "delete") from error

    def _path(self, key: str) -> str:
        return join(self._prefix, key)

    def _info(self, meta: Any) -> ObjectInfo:
        path = str(meta["path"])
        key = path[len(self._prefix) + 1 :] if self._prefix else path
        stamp = meta.get("e_tag") or str(meta["last_modified"])
        return ObjectInfo(key, int(meta["size"]), stamp)

    def _refuse_absent_bucket(self, error: FileNotFoundError, key: str) -> None:
        """Absence is no failure, unless it is the bucket that is absent."""
        if error_code(error) == "NoSuchBucket":
            raise self._failed(error, key, "find") from error

    def _refuse_writing(self) -> None:
        if not self._writable:
            raise StorageError(f"{self.url}: opened for reading only; nothing is written there")

    def _refuse_listing(self) -> None:
        if not self.can_list:
            raise StorageError(f"{self.url}: plain HTTP cannot be listed")

    def _failed(self, error: BaseException, key: str, action: str) -> StorageError:
        if isinstance(error, StorageError):
            return error
        return failure(error, f"{self.url}/{key}" if key else self.url, action)


class _Stream:
    """The writer that the protocol asks for."""

    def __init__(self, stream: WritableFile) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        """Append fresh bytes (obstore keeps a reference to them)."""
        self._stream.write(data)


def _open(url: str, options: StorageOptions) -> Any:
    parts = urlsplit(url)
    client = {
        "allow_http": True,
        "timeout": timedelta(seconds=max(options.timeout, 1) * 10),
        "read_timeout": timedelta(seconds=options.timeout),
        "connect_timeout": timedelta(seconds=min(options.timeout, 10)),
        "pool_max_idle_per_host": str(options.concurrency),
    }
    retry = {
        "max_retries": options.retries,
        "retry_timeout": timedelta(seconds=options.timeout * 5),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=10),
            "base": 2,
        },
    }
    common: dict[str, Any] = {"client_options": client, "retry_config": retry}
    if parts.scheme in ("http", "https"):
        return HTTPStore.from_url(url, **common)
    if parts.scheme in ("gs", "gcs"):
        return GCSStore(parts.netloc, **common)
    if parts.scheme in ("az", "abfs", "abfss"):
        return AzureStore(parts.netloc.partition("@")[0], **common)
    return _open_s3(parts.netloc, url, options, common)


def _open_s3(bucket: str, url: str, options: StorageOptions, common: dict[str, Any]) -> Any:
    access = aws_access(options)
    settings: dict[str, Any] = {"region": access.region or "us-east-1"}
    if access.endpoint_url:
        settings["endpoint"] = access.endpoint_url
    if access.anon:
        settings["skip_signature"] = True
    else:
        aws_credentials(options, url)
        settings["credential_provider"] = lambda: aws_credentials(options, url)
    return S3Store(bucket, virtual_hosted_style_request=False, **settings, **common)
