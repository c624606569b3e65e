"""Objects of any fsspec file system; :mod:`uplift.storage.engines.fsspec` opens them."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fsspec.asyn import sync

from uplift.errors import StorageError
from uplift.settings.storage import StorageOptions
from uplift.storage.failures import error_code
from uplift.storage.protocol import ObjectInfo, ObjectWriter, join
from uplift.storage.remote import Fetched, RemoteStore, SentObject
from uplift.storage.retries import retried
from uplift.work.traffic import TRAFFIC

_DISCARDING = ("s3", "gs")
"""File systems (their first name) whose streams can be discarded before they are closed."""
_PARTIAL, _NOT_IN_OBJECT = 206, 416
_NO_RANGES = "range request not supported"


class FsspecStore(RemoteStore):
    """Objects below a path of one file system; see :class:`RemoteStore`.

    Parameters
    ----------
    filesystem
        An fsspec file system.
    uploads
        One that repeats requests, for uploads in parts.
    """

    _absent = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
    _failures = (Exception,)
    _taken = (FileExistsError,)

    def __init__(
        self,
        url: str,
        filesystem: Any,
        root: str,
        options: StorageOptions,
        *,
        writable: bool = False,
        uploads: Any = None,
    ) -> None:
        root, mark, query = root.partition("?") if "://" in root else (root, "", "")
        super().__init__(url, root.rstrip("/"), options, writable=writable)
        self.filesystem = filesystem
        self._uploads = uploads or filesystem
        self._query = mark + query
        self._name = _first_name(filesystem)

    def path_of(self, key: str) -> str:
        """Path of an object as the file system takes it: a web server takes a quoted URL."""
        if self.can_list:
            return super().path_of(key)
        return join(self._root, quote(key)) + self._query

    def list_tree(self, prefix: str) -> Iterator[ObjectInfo]:
        """Every object under the folder `prefix`, page by page, or folder by folder."""
        self._refuse_listing()
        if self._name == "s3":
            yield from self._tree_of_s3(prefix)
            return
        waiting = [prefix]
        while waiting:
            folder = waiting.pop()
            folders, files = self.list_folder(folder)
            yield from files
            waiting.extend(join(folder, name) for name in folders)

    def _tree_of_s3(self, prefix: str) -> Iterator[ObjectInfo]:
        bucket, _, path = self.path_of(prefix).partition("/")
        wanted: dict[str, str] = {"Bucket": bucket, "Prefix": f"{path}/" if path else ""}
        while True:
            page = self._page_of_s3(prefix, wanted)
            for found in page.get("Contents", ()):
                info = {"name": f"{bucket}/{found['Key']}", "size": found["Size"], **found}
                if not found["Key"].endswith("/"):
                    yield self._info(info)
            if not page.get("IsTruncated"):
                return
            wanted["ContinuationToken"] = page["NextContinuationToken"]

    @retried
    def _page_of_s3(self, prefix: str, wanted: dict[str, str]) -> dict[str, Any]:
        call = self.filesystem.call_s3
        return self._request("list", prefix, lambda: dict(call("list_objects_v2", **wanted)))

    @contextlib.contextmanager
    def writer(self, key: str, expected: int = 0) -> Iterator[ObjectWriter]:
        """Write an object in pieces: committed on a clean exit, discarded on an exception."""
        self._refuse_writing()
        way = self._streamed if self._name in _DISCARDING else self._spooled
        with way(key) as writer:
            yield writer
        TRAFFIC.add(objects_written=1)

    @contextlib.contextmanager
    def _streamed(self, key: str) -> Iterator[ObjectWriter]:
        stream = self._request("write", key, lambda: self._uploads.open(self.path_of(key), "wb"))
        try:
            yield SentObject(_sending_to(stream), self._cap)
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
                    yield SentObject(_sending_to(stream), self._cap)
            except _StreamError as error:
                raise StorageError(
                    f"{folder}: cannot write the temporary file for {self.url}/{key}: "
                    f"{error.__cause__}; free some space there or set TMPDIR"
                ) from error
            path = self.path_of(key)
            self._request("write", key, lambda: self.filesystem.put_file(str(collected), path))

    def _fetch(self, key: str, start: int, length: int | None, etag: str | None) -> Fetched:
        if not self.can_list:
            wanted = {"Range": _range_header(start, length)} if start or length else {}
            found: Fetched = sync(self.filesystem.loop, self._of_web, self.path_of(key), wanted)
        elif self._name == "s3":
            wanted = {"Range": _range_header(start, length)} if start or length else {}
            if etag is not None:
                wanted["IfMatch"] = f'"{etag}"'
            found = sync(self.filesystem.loop, self._of_s3, self.path_of(key), wanted)
        else:
            found = self._of_any(self.path_of(key), start, length)
        return found._replace(data=found.data[:length])

    def _of_any(self, path: str, start: int, length: int | None) -> Fetched:
        if start < 0:
            start = max(0, int(self.filesystem.info(path)["size"]) + start)
        end = None if length is None else start + length
        if (start, end) == (0, None):
            data = self.filesystem.cat_file(path)
            return Fetched(data, len(data))
        return Fetched(self.filesystem.cat_file(path, start=start, end=end))

    async def _of_s3(self, path: str, wanted: dict[str, str]) -> Fetched:
        """Ask in one request, with its ETag; `cat_file` takes several and returns none."""
        bucket, _, key = path.partition("/")
        call = self.filesystem._call_s3
        try:
            answer = await call("get_object", Bucket=bucket, Key=key, **wanted)
        except OSError as error:
            if error_code(error) == "InvalidRange":
                return Fetched(b"")
            raise
        async with answer["Body"] as body:
            data = await body.read()
        size = answer.get("ContentRange", "").rpartition("/")[2] or answer["ContentLength"]
        return Fetched(data, int(size), answer["ETag"].strip('"'))

    async def _of_web(self, url: str, wanted: dict[str, str]) -> Fetched:
        """Ask for a range; fsspec takes the whole object for it where the server sends that."""
        session = await self.filesystem.set_session()
        async with session.get(self.filesystem.encode_url(url), headers=wanted) as answer:
            if answer.status == _NOT_IN_OBJECT:
                return Fetched(b"")
            self.filesystem._raise_not_found_for_status(answer, url)
            if wanted and answer.status != _PARTIAL:
                raise OSError(_NO_RANGES)
            data, headers = bytes(await answer.read()), answer.headers
        whole = headers.get("Content-Range", "").rpartition("/")[2]
        return Fetched(data, int(whole) if whole.isdecimal() else len(data), _stamp(headers))

    def _describe(self, path: str) -> ObjectInfo | None:
        try:
            info = self.filesystem.info(path)
        except FileNotFoundError as error:
            # the file system for the web takes every failure for absence
            cause = error.__cause__
            if self.can_list or cause is None or error_code(cause) == "404":
                raise
            raise cause from None
        if info["size"] is None:
            info = {**info, "size": len(self.filesystem.cat_file(path))}
        return self._info(info) if info["type"] == "file" else None

    def _list(self, prefix: str) -> tuple[list[str], list[ObjectInfo]]:
        path = self.path_of(prefix)
        folders, files = [], []
        for info in self.filesystem.ls(path, detail=True):
            name = info["name"].rstrip("/")
            if name == path.strip("/"):
                if self._name == "s3" and info["type"] == "directory":
                    raise StorageError(
                        f"{join(self.url, prefix)}/: a key below it has an empty segment (//), "
                        "which is not a folder's name; rename the object"
                    )
                continue
            if info["type"] == "directory":
                folders.append(name.rpartition("/")[2])
            else:
                files.append(self._info(info))
        return folders, files

    def _create(self, path: str, data: bytes) -> None:
        self.filesystem.pipe_file(path, data, mode="create")

    def _write(self, path: str, data: bytes) -> None:
        self.filesystem.pipe_file(path, data)

    def _delete(self, paths: list[str]) -> None:
        """Delete objects; `rm` would take a key with ``[``, ``*`` or ``?`` for a pattern."""
        if self._name == "s3":
            self._delete_of_s3(paths)
            return
        for path in paths:
            self.filesystem.rm_file(path)

    def _delete_of_s3(self, paths: list[str]) -> None:
        """Delete in one request; s3fs would not say which objects the server refuses to delete."""
        from botocore.exceptions import ClientError

        keys = [{"Key": path.partition("/")[2]} for path in paths]
        answer = self.filesystem.call_s3(
            "delete_objects",
            Bucket=paths[0].partition("/")[0],
            Delete={"Objects": keys, "Quiet": True},
        )
        for refused in answer.get("Errors", ()):
            details = {name: refused.get(name, "") for name in ("Code", "Message")}
            raise ClientError({"Error": details}, "DeleteObjects")

    def _copy(self, source: str, path: str) -> None:
        self.filesystem.cp_file(source, path)

    def _shares_server(self, other: FsspecStore) -> bool:
        if self._name != "s3" or other._name != "s3":
            return False
        return bool(self.filesystem.endpoint_url == other.filesystem.endpoint_url)

    def _info(self, info: Any) -> ObjectInfo:
        name = str(info["name"]).rstrip("/")
        root = self._root.strip("/")
        key = name.strip("/")[len(root) + 1 :] if root else name.strip("/")
        changed = info.get("LastModified") or info.get("last_modified")
        seconds = changed.timestamp() // 1 if isinstance(changed, datetime) else 0.0
        return ObjectInfo(key, int(info["size"] or 0), _stamp(info), seconds)


def _range_header(start: int, length: int | None) -> str:
    """Write a range of bytes (RFC 9110, 14.1.2)."""
    if start < 0:
        return f"bytes={start}"
    return f"bytes={start}-{'' if length is None else start + length - 1}"


def _stamp(info: Any) -> str:
    """What changes when an object does, of what a file system or a header says of it."""
    names = ("ETag", "Last-Modified", "mtime", "created")
    stamp = next(filter(None, map(info.get, names)), None)
    if isinstance(stamp, datetime):
        stamp = stamp.timestamp()  # `info` and `ls` of one file system differ in this
    return str(stamp).strip('"')


def _sending_to(stream: Any) -> Callable[[bytes], None]:
    def send(data: bytes) -> None:
        try:
            stream.write(data)
        except Exception as error:
            raise _StreamError from error

    return send


class _StreamError(Exception):
    """A write failed; the cause says why."""


def _first_name(filesystem: Any) -> str:
    protocol = filesystem.protocol
    return protocol if isinstance(protocol, str) else str(protocol[0])


def _is_storage(error: BaseException) -> bool:
    return isinstance(error, (_StreamError, OSError)) or type(error).__module__.startswith(
        ("botocore", "aiobotocore", "aiohttp", "s3fs")
    )
