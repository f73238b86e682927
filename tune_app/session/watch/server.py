"""A few files for browsers of this machine, to whoever has the token.

Nothing is looked up on the disk: a request names one of the files that are held, or gets an error.
"""

import hashlib
import hmac
import http
import secrets
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LOOPBACK = "127.0.0.1"
PORT = 8280  # and the next ones, where it is taken
TRIED = 100
PATIENCE = 10.0  # seconds that a client has for its request
OWN_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; "
POLICY = "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def open_socket(first: int = PORT) -> socket.socket:
    """A socket that listens on this machine alone, on that port or the next that is free; OSError if none is."""
    last: OSError | None = None
    for port in range(first, min(first + TRIED, 65536)):
        found = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # one that was closed a moment ago is free
            found.bind((LOOPBACK, port))
            found.listen(16)
        except OSError as error:
            found.close()
            last = error
        else:
            return found
    raise last or OSError(f"there is no port {first}")


def build_token() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True)
class Held:
    """A file: its content, its kind, and whether its own content-security policy is all that it needs."""

    content: bytes
    kind: str
    has_policy: bool = False

    @property
    def tag(self) -> str:
        return f'"{hashlib.sha256(self.content).hexdigest()[:24]}"'


@dataclass
class Site:
    """The files by name, the token, and when somebody last asked (by `time.monotonic`)."""

    token: str
    files: dict[str, Held] = field(default_factory=dict)
    asked: float = float("-inf")
    served: set[str] = field(default_factory=set)  # names of files since `replace`
    lock: threading.Lock = field(default_factory=threading.Lock)

    def put(self, name: str, content: str | bytes, kind: str) -> None:
        """Hold a file, in place of the one of that name."""
        self.replace({name: Held(content.encode() if isinstance(content, str) else content, kind)})

    def replace(self, files: Mapping[str, Held]) -> None:
        """Hold these files beside the others."""
        with self.lock:
            self.files.update(files)
            self.served -= files.keys()

    def find(self, path: str) -> Held | None:
        """The file at `/<token>/<name>`; None if there is none, or the token is another."""
        _, token, *rest = [*path.split("/", 2), "", ""][:3]
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return None
        with self.lock:
            return self.files.get(rest[0]) if path.count("/") == 2 else None

    def note(self, name: str) -> None:
        with self.lock:
            self.asked = time.monotonic()
            self.served.add(name)


def serve(listening: socket.socket, site: Site) -> ThreadingHTTPServer:
    """Serve the site in other threads until the server is shut down."""

    class Handler(_Handler):
        pass

    Handler.site = site
    server = _Server((LOOPBACK, 0), Handler, bind_and_activate=False)
    server.socket.close()
    server.socket = listening
    server.server_address = listening.getsockname()
    port = listening.getsockname()[1]
    Handler.hosts = (f"{LOOPBACK}:{port}", f"localhost:{port}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.5}, daemon=True).start()
    return server


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Nothing: a browser that leaves is no error."""


class _Handler(BaseHTTPRequestHandler):
    site: Site
    hosts: tuple[str, ...] = ()
    timeout = PATIENCE
    server_version, sys_version = "tune_app", ""

    def do_GET(self) -> None:
        """Send a file, or that it is unchanged."""
        # A page elsewhere may have its own name lead to this address; the browser then says that name here.
        if self.headers.get("Host", "").lower() not in self.hosts:
            self._refuse(http.HTTPStatus.MISDIRECTED_REQUEST, f"This is {self.hosts[0]}, under no other name.")
            return
        path = self.path.partition("?")[0]
        found = self.site.find(path)
        if found is None:
            self._refuse(http.HTTPStatus.NOT_FOUND, "There is nothing here. The command has printed the whole address.")
            return
        unchanged = self.headers.get("If-None-Match") == found.tag
        self.send_response(http.HTTPStatus.NOT_MODIFIED if unchanged else http.HTTPStatus.OK)
        self.send_header("ETag", found.tag)
        self._send_headers(POLICY if found.has_policy else OWN_POLICY + POLICY)
        if not unchanged:
            self.send_header("Content-Type", found.kind)
            self.send_header("Content-Length", str(len(found.content)))
        self.end_headers()
        if self.command == "GET" and not unchanged:
            self.wfile.write(found.content)
        self.site.note(path.rpartition("/")[2])

    do_HEAD = do_GET  # noqa: N815  # as http.server has it

    def _refuse(self, status: http.HTTPStatus, text: str) -> None:
        content = f"{text}\n".encode()
        self.send_response(status)
        self._send_headers("default-src 'none'; " + POLICY)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)

    def _send_headers(self, policy: str) -> None:
        self.send_header("Content-Security-Policy", policy)
        self.send_header("Cache-Control", "no-cache")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the terminal is the study's."""
