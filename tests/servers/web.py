"""A plain web server on loopback: files, ranges of bytes, no listing."""

import http.server
import re
import threading
import time
from functools import partial
from pathlib import Path

from servers.loopback import LoopbackServer, Owned

PAGE = b"<!DOCTYPE html><html><body>Welcome</body></html>"


class _Handler(Owned, http.server.SimpleHTTPRequestHandler):
    def list_directory(self, path):
        self.send_error(404)

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        owner = self.owner
        with owner.lock:
            owner.at_once += 1
            owner.most_at_once = max(owner.most_at_once, owner.at_once)
        time.sleep(owner.delay_s)
        with owner.lock:
            owner.at_once -= 1
        self._answer_now(body=body)

    def _answer_now(self, *, body):
        with self.owner.lock:
            self.owner.requests.append((self.command, self.path))
            status = self.owner.failures.pop(self.path, None)
        path = Path(self.translate_path(self.path))
        if status is not None:
            self._send(status, b"", body)
        elif self.owner.page:
            self._send(200, PAGE, body, kind="text/html")
        elif not path.is_file():
            self._send(404, b"", body)
        else:
            self._send_file(path.read_bytes(), body)

    def _send_file(self, data, body):
        wanted = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or not self.owner.ranges:
            self._send(200, data, body)
            return
        first, last = wanted.groups()
        start = int(first) if first else max(0, len(data) - int(last))
        stop = min(len(data), int(last) + 1) if first and last else len(data)
        if start >= len(data):
            self._send(416, b"", body, content_range=f"bytes */{len(data)}")
            return
        where = f"bytes {start}-{stop - 1}/{len(data)}"
        self._send(206, data[start:stop], body, content_range=where)

    def _send(self, status, data, body, *, kind="application/octet-stream", content_range=None):
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.owner.ranges:
            self.send_header("Accept-Ranges", "bytes")
        if content_range is not None:
            self.send_header("Content-Range", content_range)
        self.end_headers()
        if body:
            self.wfile.write(data)


class WebServer(LoopbackServer):
    """Serves a folder.

    Parameters
    ----------
    ranges
        Whether it can send a part of a file.
    page
        Answer everything with the same HTML page.
    delay_s
        Before each answer.
    """

    def __init__(
        self, folder: Path, *, ranges: bool = True, page: bool = False, delay_s: float = 0.0
    ) -> None:
        self.ranges, self.page, self.delay_s = ranges, page, delay_s
        self.at_once = self.most_at_once = 0
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str]] = []
        self.failures: dict[str, int] = {}
        """Status of the next answer, by path."""
        handler = partial(_Handler, directory=str(folder), owner=self)
        super().__init__(handler)
