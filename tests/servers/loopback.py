"""An HTTP server on loopback, in a thread of its own, as a context manager."""

import http.server
import threading
from collections.abc import Callable


class Owned:
    """Goes before the class of a handler that knows its server, its `owner`, and says nothing."""

    protocol_version = "HTTP/1.1"

    def __init__(self, *args, owner, **kwargs):
        self.owner = owner
        super().__init__(*args, **kwargs)

    def log_message(self, *_):
        pass


class LoopbackServer:
    """Serves with a handler; `url` says where."""

    scheme = "http"

    def __init__(self, handler: Callable[..., http.server.BaseHTTPRequestHandler]) -> None:
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self._server.server_port}"

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
