"""Objects in S3, Google Cloud Storage, Azure and plain HTTP, through obstore (bulk bytes)."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import AzureStore, GCSStore, HTTPStore, S3Store

from uplift.errors import InputError
from uplift.settings.storage import StorageOptions
from uplift.storage import s3, tuning
from uplift.storage.failures import error_code
from uplift.storage.protocol import ObjectInfo, ObjectWriter
from uplift.storage.remote import Fetched, RemoteStore, SentObject
from uplift.storage.retries import retried
from uplift.storage.s3 import aws_access, aws_credentials, reason_of
from uplift.storage.urls import (
    AZURE,
    WEB,
    UrlParts,
    display_url,
    has_odd_segments,
    query_of,
    split_url,
)
from uplift.work.traffic import TRAFFIC

if TYPE_CHECKING:
    from obstore import GetOptions

log = logging.getLogger(__name__)

SCHEMES = (*s3.SCHEMES, "gs", "gcs", *AZURE, *WEB)


class ObstoreStore(RemoteStore):
    """Objects below a URL; see :class:`RemoteStore`."""

    _absent = (FileNotFoundError,)
    _failures = (BaseError, OSError, TimeoutError)
    _taken = (AlreadyExistsError,)

    def __init__(self, url: str, options: StorageOptions, *, writable: bool = False) -> None:
        parts = split_url(url)
        if has_odd_segments(parts):
            raise InputError(
                f"{display_url(url)}: has an empty segment, or . or .., in its path; leave these "
                "out, or set engine: fsspec where the key is really called so"
            )
        # A web store is opened at its whole URL.
        root = "" if parts.scheme in WEB else parts.key
        super().__init__(url, root, options, writable=writable)
        self._is_signed = bool(query_of(url))
        self._is_azure = parts.scheme in AZURE
        # Requests are repeated by RemoteStore, which can pause; parts of an upload only by obstore.
        self._store = _open(url, parts, options, retries=0)
        self._uploads: Any = None
        if writable:
            self._uploads = _open(url, parts, options, retries=options.retries)

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, page by page, in key order."""
        self._refuse_listing()
        listing = _Listing(self._store, self.path_of(prefix) or None)
        while page := self._page(prefix, listing):
            for meta in page:
                info = self._info(meta)
                if info.size or not self._is_marker(info.key, prefix):
                    yield info

    def _is_marker(self, key: str, prefix: str) -> bool:
        """Whether an empty object stands for a folder, as consoles and mounts of buckets make them.

        Its key ends in a slash, which obstore takes off: no object has the key that is left.
        """
        return key in ("", prefix) or self.stat(key) is None

    @retried
    def _page(self, prefix: str, listing: _Listing) -> Any:
        return self._request("list", prefix, listing.next_page)

    @contextlib.contextmanager
    def writer(self, key: str, expected: int = 0) -> Iterator[ObjectWriter]:
        """Stream an object: one request when small, else a multipart upload, aborted on errors."""
        self._refuse_writing()
        self._pause.wait()
        part = max(tuning.PART_BYTES, -(-expected // tuning.PARTS))
        try:
            with obstore.open_writer(
                self._uploads,
                self.path_of(key),
                buffer_size=part,
                max_concurrency=tuning.UPLOADS,
            ) as stream:
                sent = SentObject(stream.write, self._cap)
                yield sent
        except self._failures as error:
            raise self._failed(error, key, "write") from error
        # in one request, or in parts, with one that begins and one that ends the upload
        parts = -(-sent.sent // part)
        TRAFFIC.add(objects_written=1, requests=1 if sent.sent < part else parts + 2)

    def _fetch(self, key: str, start: int, length: int | None, etag: str | None) -> Fetched:
        path = self.path_of(key)
        options: GetOptions = {}
        if etag is not None:
            options["if_match"] = f'"{etag}"'
        if start < 0 and self._is_azure:  # which has no ranges that count from the end
            start = max(0, int(obstore.head(self._store, path)["size"]) + start)
        if start < 0:
            options["range"] = {"suffix": -start}
        elif length is not None:
            options["range"] = (start, start + length)
        elif start:
            options["range"] = {"offset": start}
        try:
            found = obstore.get(self._store, path, options=options)
            data = memoryview(found.bytes())
        except self._failures as error:
            if error_code(error) in ("InvalidRange", "416"):
                return Fetched(b"")
            raise
        info = self._info(found.meta)
        return Fetched(data[:length], info.size, info.stamp)

    def _describe(self, path: str) -> ObjectInfo:
        if self._is_signed:  # for GET alone: a HEAD request would be refused
            options: GetOptions = {"range": (0, 1)}
            return self._info(obstore.get(self._store, path, options=options).meta)
        return self._info(obstore.head(self._store, path))

    def _list(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        found = obstore.list_with_delimiter(self._store, self.path_of(prefix) or None)
        folders = [name.rstrip("/").rpartition("/")[2] for name in found["common_prefixes"]]
        return folders, [self._info(meta) for meta in found["objects"]]

    def _create(self, path: str, data: bytes) -> None:
        obstore.put(self._store, path, data, mode="create", use_multipart=False)

    def _write(self, path: str, data: bytes) -> None:
        obstore.put(self._store, path, data, use_multipart=False)

    def _delete(self, paths: list[str]) -> None:
        obstore.delete(self._store, paths if len(paths) > 1 else paths[0])

    def _copy(self, source: str, path: str) -> None:
        obstore.copy(self._store, source, path)

    def _shares_server(self, other: ObstoreStore) -> bool:
        mine, others = split_url(self.url), split_url(other.url)
        if not self.can_list or mine[:2] != others[:2]:
            return False
        endpoints = {aws_access(store.options).endpoint_url for store in (self, other)}
        return mine.scheme not in s3.SCHEMES or len(endpoints) == 1

    def _retry_after(self, key: str) -> str | None:
        """Ask again in a way that shows the headers of the answer: obstore's errors have none."""
        if self.url.startswith("s3"):
            refusal = reason_of(self.url, self.options)
            return None if refusal is None else refusal.retry_after
        if not self.url.startswith("http"):
            return None
        import requests  # hundreds of modules, which few servers make necessary

        try:
            answer = requests.head(f"{self.url}/{quote(key)}", timeout=tuning.CONNECT_S)
        except requests.RequestException as error:
            log.debug("%s", error)
            return None
        return answer.headers.get("Retry-After")

    def _info(self, meta: Any) -> ObjectInfo:
        path = str(meta["path"])
        key = path[len(self._root) + 1 :] if self._root else path
        # Azure has quotes around it in one kind of answer and none in another.
        stamp = (meta.get("e_tag") or str(meta["last_modified"])).strip('"')
        # one object asked for by itself gives whole seconds, a listing more
        return ObjectInfo(key, int(meta["size"]), stamp, meta["last_modified"].timestamp() // 1)


class _Listing:
    """One listing; after a failure it goes on behind the last page that came."""

    def __init__(self, store: Any, path: str | None) -> None:
        self._store = store
        self._path = path
        self._last: str | None = None
        self._pages: Any = None

    def next_page(self) -> Any:
        """Return the next objects; none at the end."""
        if self._pages is None:
            self._pages = obstore.list(
                self._store, self._path, offset=self._last, chunk_size=tuning.PAGE
            )
        try:
            page: list[Any] = next(self._pages, [])
        except BaseException:
            self._pages = None
            raise
        if page:
            self._last = page[-1]["path"]
        return page


def prepare() -> None:
    """Import what opening a store and looking for credentials takes; begin what all jobs share."""
    import botocore.client
    import botocore.credentials  # noqa: F401

    s3.session(None)  # reads nothing of the environment yet, and takes longer than opening a store


def open_url(url: str, options: StorageOptions, *, writable: bool) -> ObstoreStore | None:
    """Open a URL of one of `SCHEMES`; ``auto`` leaves keys such as ``a//b`` to another engine.

    Parameters
    ----------
    url
        Of the folder.
    options
        The config's ``storage`` section.
    writable
        Whether objects may be written.

    Returns
    -------
    ObstoreStore | None
        Open; nothing was asked of it yet. None: another engine has to.
    """
    parts = split_url(url)
    odd = options.engine == "auto" and has_odd_segments(parts)
    return (
        None
        if odd or parts.scheme not in SCHEMES
        else ObstoreStore(url, options, writable=writable)
    )


def _open(url: str, parts: UrlParts, options: StorageOptions, *, retries: int) -> Any:
    client = {
        "allow_http": True,
        "timeout": timedelta(seconds=max(options.timeout, 1) * 10),
        "read_timeout": timedelta(seconds=options.timeout),
        "connect_timeout": timedelta(seconds=min(options.timeout, tuning.CONNECT_S)),
        "pool_max_idle_per_host": str(options.concurrency),
    }
    retry = {
        "max_retries": retries,
        "retry_timeout": timedelta(seconds=options.timeout * 5),
        "backoff": {
            "init_backoff": timedelta(milliseconds=100),
            "max_backoff": timedelta(seconds=10),
            "base": 2,
        },
    }
    common: dict[str, Any] = {"client_options": client, "retry_config": retry}
    if parts.scheme in WEB:
        return HTTPStore.from_url(url.rstrip("/"), **common)
    if parts.scheme in ("gs", "gcs"):
        return GCSStore(parts.authority, **_elsewhere(options, "base_url"), **common)
    if parts.scheme in AZURE:
        container, _, host = parts.authority.partition("@")
        account: dict[str, Any] = {"account_name": host.partition(".")[0]} if host else {}
        return AzureStore(container, **account, **_elsewhere(options, "endpoint"), **common)
    return _open_s3(parts.authority, url, options, common)


def _elsewhere(options: StorageOptions, endpoint: str) -> dict[str, Any]:
    """Settings for another server and for public data, in obstore's words."""
    settings: dict[str, Any] = {}
    if options.endpoint_url:
        settings[endpoint] = options.endpoint_url.rstrip("/")
    if options.anon:
        settings["skip_signature"] = True
    return settings


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
