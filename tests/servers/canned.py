"""A server that gives one and the same answer to every request, byte for byte."""

import http.client
import http.server
import ssl
import subprocess
from pathlib import Path

from servers.loopback import LoopbackServer


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    answer = b""
    seen = ()

    def log_message(self, *_):
        pass

    def _answer(self):
        self.seen.append(self.headers)
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        head, gap, body = self.answer.partition(b"\r\n\r\n")
        self.wfile.write(head + gap + (b"" if self.command == "HEAD" else body))
        self.close_connection = b"connection: close" in head.lower()

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = _answer  # noqa: N815


class CannedServer(LoopbackServer):
    """Speaks HTTP on loopback, or HTTPS with a certificate that nobody has signed.

    Parameters
    ----------
    answer
        Status line, headers and body; of a HEAD request all but the body is sent.
    certificates
        A folder for the certificate: the server speaks HTTPS then.
    """

    def __init__(self, answer: bytes, certificates: Path | None = None) -> None:
        self.seen: list[http.client.HTTPMessage] = []
        """Headers of the requests."""
        handler = type("Handler", (_Handler,), {"answer": answer, "seen": self.seen})
        super().__init__(handler)
        self._server.handle_error = lambda *_: None  # clients hang up on what they do not trust
        if certificates is not None:
            self.scheme = "https"
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*_self_signed(certificates))
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )


def xml_answer(status: str, body: str, *headers: str) -> bytes:
    """Answer of an S3 server that refuses."""
    data = f'<?xml version="1.0" encoding="UTF-8"?>\n{body}'.encode()
    lines = [f"HTTP/1.1 {status}", *headers, "Content-Type: application/xml"]
    lines += [f"Content-Length: {len(data)}", "Server: AmazonS3"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + data


def _self_signed(folder: Path) -> tuple[str, str]:
    certificate, key = str(folder / "certificate.pem"), str(folder / "key.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-out", certificate, "-keyout", key]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key
