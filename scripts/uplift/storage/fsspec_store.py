"""Objects behind any fsspec file system: S3 through s3fs on request, and others."""

from __future__ import annotations

import contextlib
import logging
import tempfile
from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import fsspec

from uplift.errors import InputError, StorageError
from uplift.storage.failures import error_code, failure
from uplift.storage.protocol import ObjectInfo, ObjectWriter, join
from uplift.storage.reading import ReadAhead
from uplift.storage.retries import retried
from uplift.storage.settings import StorageOptions, aws_access
from uplift.storage.uploads import abort_uploads

log = logging.getLogger(__name__)

_ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_DISCARDING = ("s3", "gs")
"""File systems (their first name) whose streams can be discarded before they are closed."""
_CACHE_OFF = {"use_listings_cache": False, "skip_instance_cache": True}


class FsspecStore:
    """Objects below a path of one file system.

    Parameters
    ----------
    url
        Root, for messages (holds no secret).
    filesystem
        An fsspec file system.
    root
        Path of the root in it, without a slash at its end.
    """

    is_local = False

    def __init__(
        self,
        url: str,
        filesystem: Any,
        root: str,
        options: StorageOptions,
        *,
        writable: bool = False,
    ) -> None:
        self.url = url.rstrip("/")
        self.filesystem = filesystem
        self._root = root.rstrip("/")
        self._writable = writable
        self._options = options
        self._can_copy = True
        self._ahead = ReadAhead(options.concurrency)
        # A listing of a web server is made of the links in some page.
        self.can_list = self._scheme() not in ("http", "https")

    @retried
    def get(self, key: str) -> bytes | None:
        """Return the whole object, or None when absent."""
        try:
            return bytes(self.filesystem.cat_file(self._path(key)))
        except _ABSENT as error:
            self._refuse_absent_bucket(error, key)
            return None
        except Exception as error:
            raise self._failed(error, key, "read") from error

    @retried
    def get_range(self, key: str, start: int, length: int) -> bytes | None:
        """Return `length` bytes from `start` (negative: from the end), or None when absent."""
        try:
            if start < 0:
                info = self.stat(key)
                if info is None:
                    return None
                start = max(0, info.size + start)
            return bytes(self.filesystem.cat_file(self._path(key), start=start, end=start + length))
        except _ABSENT as error:
            self._refuse_absent_bucket(error, key)
            return None
        except Exception as error:
            raise self._failed(error, key, "read") from error

    def read_many(self, keys: Iterable[str]) -> Iterator[bytes | None]:
        """Yield whole objects in the order of `keys`, several requests under way."""
        return self._ahead.map(self.get, keys)

    @retried
    def stat(self, key: str) -> ObjectInfo | None:
        """Describe one object, or None when absent or a folder."""
        try:
            info = self.filesystem.info(self._path(key))
        except _ABSENT as error:
            self._refuse_absent_bucket(error, key)
            return None
        except Exception as error:
            raise self._failed(error, key, "look at") from error
        return self._info(info) if info["type"] == "file" else None

    @retried
    def list_folder(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        """Names of the folders, and objects (full keys), directly under `prefix`, sorted."""
        path = self._path(prefix)
        try:
            found = self.filesystem.ls(path, detail=True)
        except _ABSENT as error:
            self._refuse_absent_bucket(error, prefix)
            return [], []
        except Exception as error:
            raise self._failed(error, prefix, "list") from error
        folders, files = set(), []
        for info in found:
            name = info["name"].rstrip("/")
            if name == path.strip("/"):
                continue
            if info["type"] == "directory":
                folders.add(name.rpartition("/")[2])
            else:
                files.append(self._info(info))
        return sorted(folders), sorted(files)

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`."""
        yield from self._tree(prefix)

    @retried
    def _tree(self, prefix: str) -> list[ObjectInfo]:
        path = self._path(prefix)
        try:
            found = self.filesystem.find(path, detail=True)
        except _ABSENT as error:
            self._refuse_absent_bucket(error, prefix)
            return []
        except Exception as error:
            raise self._failed(error, prefix, "list") from error
        return [self._info(i) for n, i in found.items() if n.rstrip("/") != path.strip("/")]

    @retried
    def put(self, key: str, data: bytes) -> None:
        """Write an object; readers see the old or the new one."""
        self._refuse_writing()
        try:
            self.filesystem.pipe_file(self._path(key), data)
        except Exception as error:
            raise self._failed(error, key, "write") from error

    def put_new(self, key: str, data: bytes) -> bool:
        """Write an object only if there is none."""
        self._refuse_writing()
        try:
            self.filesystem.pipe_file(self._path(key), data, mode="create")
        except Exception as error:
            # s3fs turns the server's refusal into a bare OSError.
            if isinstance(error, FileExistsError) or error_code(error) == "PreconditionFailed":
                return self.get(key) == data
            raise self._failed(error, key, "write") from error
        return True

    def copy_from(self, source: FsspecStore, source_key: str, key: str) -> bool:
        """Copy an object inside an S3 server; False where that is not possible."""
        self._refuse_writing()
        if not (self._can_copy and self._same_server(source)):
            return False
        try:
            self.filesystem.cp_file(source._path(source_key), self._path(key))
        except Exception as error:
            # Not every server can, and not everybody may: the caller writes bytes.
            log.info("%s; objects are sent instead", self._failed(error, key, "copy"))
            self._can_copy = False
            return False
        return True

    def _same_server(self, other: FsspecStore) -> bool:
        if self._scheme() != "s3" or other._scheme() != "s3":
            return False
        return bool(self.filesystem.endpoint_url == other.filesystem.endpoint_url)

    @contextlib.contextmanager
    def writer(self, key: str) -> Iterator[ObjectWriter]:
        """Write an object in pieces: committed on a clean exit, discarded on an exception."""
        self._refuse_writing()
        way = self._streamed if self._scheme() in _DISCARDING else self._spooled
        with way(key) as writer:
            yield writer

    @contextlib.contextmanager
    def _streamed(self, key: str) -> Iterator[ObjectWriter]:
        try:
            stream = self.filesystem.open(self._path(key), "wb")
        except Exception as error:
            raise self._failed(error, key, "write") from error
        try:
            yield _Stream(stream)
            stream.close()
        except BaseException as error:
            # Closing would commit what was written so far.
            with contextlib.suppress(Exception):
                stream.discard()
            stream.closed = True
            if isinstance(error, Exception) and _is_storage(error):
                raise self._failed(error, key, "write") from error
            raise

    @contextlib.contextmanager
    def _spooled(self, key: str) -> Iterator[ObjectWriter]:
        """Collect in a local file first: most file systems cannot discard what was sent."""
        with tempfile.TemporaryDirectory(prefix="uplift-") as folder:
            collected = Path(folder) / "object"
            try:
                with collected.open("wb") as stream:
                    yield _Stream(stream)
            except _StreamError as error:
                raise StorageError(
                    f"{folder}: cannot write the temporary file for {self.url}/{key}: "
                    f"{error.__cause__}; free some space there or set TMPDIR"
                ) from error
            try:
                self.filesystem.put_file(str(collected), self._path(key))
            except Exception as error:
                raise self._failed(error, key, "write") from error

    def _scheme(self) -> str:
        protocol = self.filesystem.protocol
        return protocol if isinstance(protocol, str) else str(protocol[0])

    @retried
    def delete(self, key: str) -> None:
        """Delete one object; no error when absent."""
        self._refuse_writing()
        try:
            self.filesystem.rm_file(self._path(key))
        except _ABSENT as error:
            self._refuse_absent_bucket(error, key)
        except Exception as error:
            raise self._failed(error, key, "delete") from error

    def delete_tree(self, prefix: str) -> None:
        """Delete every object under the folder `prefix`."""
        self._refuse_writing()
        paths = [self._path(info.key) for info in self.list_tree(prefix)]
        for start in range(0, len(paths), 1000):
            try:
                self.filesystem.rm(paths[start : start + 1000])
            except _ABSENT as error:
                self._refuse_absent_bucket(error, prefix)
            except Exception as error:
                raise self._failed(error, prefix, "delete") from error

    def remove_unfinished(self, key: str | None = None) -> int:
        """Abort what killed writers began and left unfinished (S3; others expire by themselves)."""
        self._refuse_writing()
        return abort_uploads(self.url, self._options, key) if self._scheme() == "s3" else 0

    def flush(self) -> None:
        """Nothing to do: a finished upload is durable."""

    def _path(self, key: str) -> str:
        return join(self._root, key)

    def _info(self, info: Any) -> ObjectInfo:
        name = str(info["name"]).rstrip("/")
        root = self._root.strip("/")
        key = name.strip("/")[len(root) + 1 :] if root else name.strip("/")
        stamp = info.get("ETag") or info.get("mtime") or info.get("created")
        if isinstance(stamp, datetime):
            stamp = stamp.timestamp()  # `info` and `ls` of one file system differ in this
        return ObjectInfo(key, int(info["size"] or 0), str(stamp))

    def _refuse_absent_bucket(self, error: BaseException, key: str) -> None:
        cause = error.__cause__
        if "NoSuchBucket" in f"{error} {cause}" or "bucket does not exist" in f"{error}":
            raise self._failed(error, key, "find") from error

    def _refuse_writing(self) -> None:
        if not self._writable:
            raise StorageError(f"{self.url}: opened for reading only; nothing is written there")

    def _failed(self, error: BaseException, key: str, action: str) -> StorageError:
        if isinstance(error, StorageError):
            return error
        return failure(error, f"{self.url}/{key}" if key else self.url, action)


class _Stream:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def write(self, data: bytes) -> None:
        try:
            self._stream.write(data)
        except Exception as error:
            raise _StreamError from error


class _StreamError(Exception):
    """A write failed; the cause says why."""


def _is_storage(error: BaseException) -> bool:
    return isinstance(error, (_StreamError, OSError)) or type(error).__module__.startswith(
        ("botocore", "aiobotocore", "aiohttp", "s3fs")
    )


def open_s3(url: str, options: StorageOptions, *, writable: bool) -> FsspecStore:
    """Open an S3 URL through s3fs."""
    access = aws_access(options)
    client: dict[str, Any] = {}
    if access.region:
        client["region_name"] = access.region
    settings: dict[str, Any] = {
        "anon": access.anon,
        "endpoint_url": access.endpoint_url,
        "client_kwargs": client,
        "config_kwargs": {
            "max_pool_connections": options.concurrency,
            "connect_timeout": min(options.timeout, 10),
            "read_timeout": options.timeout,
            "retries": {"max_attempts": options.retries + 1, "mode": "standard"},
            "s3": {"addressing_style": "path"},
        },
        "version_aware": False,
        **_CACHE_OFF,
    }
    if options.profile:
        settings["profile"] = options.profile
    filesystem = fsspec.filesystem("s3", **settings)
    return FsspecStore(url, filesystem, url.partition("://")[2], options, writable=writable)


def open_any(url: str, options: StorageOptions, *, writable: bool) -> FsspecStore:
    """Open any URL that an installed fsspec file system knows.

    Raises
    ------
    InputError
        None does.
    """
    try:
        filesystem, root = fsspec.url_to_fs(url)
    except (ValueError, ImportError) as error:
        raise InputError(f"{url}: this kind of URL is not known: {error}") from None
    return FsspecStore(url, filesystem, root, options, writable=writable)
