"""What is served to whom: this machine, under its own name, with the token, and nothing but the files that are held."""

import http.client
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest

from tune_app.session.watch.server import LOOPBACK, Held, Site, build_token, open_socket, serve

TOKEN = "a-token_of-32-characters"
PAGE = b"<p>the page</p>"


class Served:
    """A site on a free port; `get` gives status, headers and content."""

    def __init__(self) -> None:
        self.site = Site(TOKEN, {"": Held(PAGE, "text/html"), "state": Held(b"{}", "application/json")})
        self.socket = open_socket()
        self.port = self.socket.getsockname()[1]
        self.server = serve(self.socket, self.site)

    def get(
        self, path: str, host: str | None = None, method: str = "GET", **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        with closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=10)) as connection:
            connection.putrequest(method, path, skip_host=True)
            if host != "":
                connection.putheader("Host", host or f"{LOOPBACK}:{self.port}")
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            answer = connection.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    found = Served()
    yield found
    found.server.shutdown()
    found.server.server_close()


def test_the_page_is_there_with_the_token(served: Served) -> None:
    status, headers, content = served.get(f"/{TOKEN}/")
    assert (status, content) == (200, PAGE)
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
    assert headers["Referrer-Policy"] == "no-referrer"
    assert served.get(f"/{TOKEN}/state?a=1")[2] == b"{}"
    assert served.get(f"/{TOKEN}/", method="HEAD")[2] == b""


@pytest.mark.parametrize(
    "path",
    [
        *("/", "/state", "//", f"/{TOKEN}", f"/{TOKEN[:-1]}/", f"/{TOKEN}x/", f"/{TOKEN.upper()}/"),
        *(f"/{TOKEN}/../state", f"/{TOKEN}//", f"/{TOKEN}/../../etc/passwd", f"/{TOKEN}/..%2f..%2fetc%2fpasswd"),
        *(
            f"/{TOKEN}/%2e%2e/%2e%2e/etc/passwd",
            f"/{TOKEN}/etc/passwd",
            "/etc/passwd",
            f"/{TOKEN}/\\..\\state",
            "/%ff/",
        ),
        *(
            f"http://[/{TOKEN}/",
            f"http://{LOOPBACK}/{TOKEN}/",
            f"/{TOKEN}/watch.py",
            f"/{TOKEN}/.",
            f"/{TOKEN}/./state",
        ),
    ],
)
def test_nothing_else_is_there(served: Served, path: str) -> None:
    status, _, content = served.get(path)
    assert status == 404
    assert PAGE not in content
    assert TOKEN.encode() not in content


@pytest.mark.parametrize(
    "host", ["", "evil.example", "evil.example:{port}", "{loopback}", "localhost", "{loopback}:1", "0.0.0.0:{port}"]
)
def test_another_name_that_leads_here_is_refused(served: Served, host: str) -> None:
    """A page elsewhere can have its own name resolve to this address; its scripts would then read what is served."""
    status, _, content = served.get(f"/{TOKEN}/", host.format(port=served.port, loopback=LOOPBACK))
    assert status == 421
    assert PAGE not in content


def test_localhost_is_a_name_of_this_machine(served: Served) -> None:
    assert served.get(f"/{TOKEN}/", f"localhost:{served.port}")[0] == 200


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "CONNECT"])
def test_nothing_can_be_sent(served: Served, method: str) -> None:
    assert served.get(f"/{TOKEN}/", method=method)[0] == 501


def test_what_has_not_changed_is_not_sent_again(served: Served) -> None:
    _, headers, _ = served.get(f"/{TOKEN}/state")
    assert served.get(f"/{TOKEN}/state", If_None_Match=headers["ETag"])[::2] == (304, b"")
    served.site.put("state", "new", "text/plain")
    status, _, content = served.get(f"/{TOKEN}/state", If_None_Match=headers["ETag"])
    assert (status, content) == (200, b"new")
    served.site.put("state", b"{}", "application/json")


def test_a_page_with_a_policy_of_its_own_keeps_it(served: Served) -> None:
    served.site.replace({"final": Held(b"x", "text/html", has_policy=True)})
    _, headers, _ = served.get(f"/{TOKEN}/final")
    assert headers["Content-Security-Policy"] == "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def test_a_port_that_is_taken_leads_to_the_next_and_only_this_machine_is_listened_to() -> None:
    with open_socket() as first, open_socket(first.getsockname()[1]) as second:
        assert second.getsockname()[1] > first.getsockname()[1]
        assert {first.getsockname()[0], second.getsockname()[0]} == {LOOPBACK}


def test_without_any_free_port_the_last_reason_comes_out() -> None:
    with open_socket(65535) if _is_free(65535) else socket.socket(), pytest.raises(OSError, match="in use"):
        open_socket(65535)


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((LOOPBACK, port)) != 0


def test_tokens_cannot_be_guessed() -> None:
    assert len({build_token() for _ in range(100)}) == 100
    assert len(build_token()) >= 32
