"""A real server of Azure's blob storage on loopback: Azurite, which Microsoft makes for tests."""

import base64
import hashlib
import hmac
import os
import shutil
import socket
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import requests

ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that Azurite always has; its key is public."""
_VERSION = "2021-12-02"
_DEADLINE = 30.0


def program() -> str | None:
    """Where Azurite is, from the environment or the path."""
    return os.environ.get("UPLIFT_AZURITE") or shutil.which("azurite-blob")


class Azurite:
    """A running server; `endpoint` holds the account."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.endpoint = f"http://127.0.0.1:{port}/{ACCOUNT}"
        command = [str(program()), "--silent", "--skipApiVersionCheck", "--disableTelemetry"]
        command += ["--inMemoryPersistence", "--blobHost", "127.0.0.1", "--blobPort", str(port)]
        self._process = subprocess.Popen(
            command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        self._wait(port)

    def _wait(self, port: int) -> None:
        deadline = time.monotonic() + _DEADLINE
        while time.monotonic() < deadline:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise RuntimeError(f"azurite does not listen on port {port}")

    def new_container(self, name: str, *, public: bool = False) -> str:
        """Make a container; everybody may read and list a public one."""
        headers = {
            "x-ms-date": datetime.now(UTC).strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "x-ms-version": _VERSION,
        }
        if public:
            headers["x-ms-blob-public-access"] = "container"
        lines = "\n".join(f"{key}:{headers[key]}" for key in sorted(headers))
        # the account stands in the path too, since it is not part of the host's name
        resource = f"/{ACCOUNT}/{ACCOUNT}/{name}\nrestype:container"
        text = "PUT" + "\n" * 12 + f"{lines}\n{resource}"
        digest = hmac.new(base64.b64decode(KEY), text.encode(), hashlib.sha256).digest()
        headers["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
        url = f"{self.endpoint}/{name}?restype=container"
        answer = requests.put(url, headers=headers, timeout=10)
        answer.raise_for_status()
        return name

    def stop(self) -> None:
        """End the server."""
        self._process.kill()
        self._process.wait()
