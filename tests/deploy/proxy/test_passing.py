"""The headers and routes that the proxy passes on, those that it hides, and Flower behind it."""

import json
from collections.abc import Callable, Iterator
from email.parser import Parser
from http.server import ThreadingHTTPServer

import httpx
import pytest

from api.app import ROUTES
from deploy.processes import free_port
from tests.support.processes import start_celery
from tests.support.proxy import Proxy
from tests.support.system import READY_S, System
from tests.support.threads import QuietHandler, serving

pytestmark = pytest.mark.slow


class Echo(QuietHandler):
    """An API that answers with the headers of the request."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        request_id = self.headers["X-Request-ID"]
        self.respond(200, str(self.headers).encode(), **({"X-Request-ID": request_id} if request_id else {}))


@pytest.fixture(scope="module")
def echoing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    server.daemon_threads = True
    with serving(server):
        proxy = Proxy(tmp_path_factory.mktemp("echoing"), [server.server_port])
        yield proxy
        proxy.process.stop()


def passed_on(proxy: Proxy, **headers: str) -> dict[str, str]:
    """Return the headers that the API gets."""
    with proxy.client("127.0.0.9") as http:
        return dict(
            Parser().parsestr(http.get("/x", headers={k.replace("_", "-"): v for k, v in headers.items()}).text)
        )


def test_the_api_learns_the_address_and_the_scheme_of_the_client(echoing: Proxy) -> None:
    headers = passed_on(echoing)
    assert headers["X-Forwarded-For"] == "127.0.0.9"
    assert headers["X-Forwarded-Proto"] == "https"
    assert headers["X-Forwarded-Host"] == headers["Host"] == f"127.0.0.1:{echoing.tls_port}"


def test_a_clients_own_forwarding_headers_are_not_passed_on(echoing: Proxy) -> None:
    headers = passed_on(
        echoing,
        X_Forwarded_For="10.0.0.1",
        X_Forwarded_Proto="gopher",
        X_Forwarded_Host="evil.example",
        X_Real_IP="10.0.0.2",
        Forwarded="for=10.0.0.3",
    )
    assert headers["X-Forwarded-For"] == "127.0.0.9"
    assert headers["X-Forwarded-Proto"] == "https"
    assert "evil" not in str(headers)
    assert not {"X-Real-IP", "Forwarded"} & set(headers)


def test_keys_cookies_and_request_ids_pass(echoing: Proxy) -> None:
    headers = passed_on(echoing, Authorization="Bearer k", X_API_Key="k", X_Request_ID="abc-1", Idempotency_Key="i")
    assert (headers["Authorization"], headers["X-API-Key"], headers["Idempotency-Key"]) == ("Bearer k", "k", "i")
    assert headers["X-Request-ID"] == "abc-1"


def test_a_line_of_the_log_has_the_id_and_no_query(echoing: Proxy) -> None:
    with echoing.client() as http:
        http.get("/a?callback_url=https://secret.example", headers={"X-Request-ID": "abc-2"})
    line = json.loads(echoing.process.wait_for_line('"path":"/a"'))
    assert (line["method"], line["status"], line["request_id"]) == ("GET", 200, "abc-2")
    assert "secret" not in echoing.process.output


@pytest.mark.parametrize(
    "path",
    [
        *(route.path for route in ROUTES if "metrics" in route.path),
        "/metrics/",
        "//metrics",
        "/x/../metrics",
        "/%6detrics",
        "/flower/metrics",
        "/flower/healthcheck",
    ],
)
def test_metrics_are_not_reachable_from_outside(path: str, echoing: Proxy) -> None:
    with echoing.connect("127.0.0.9") as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        reply = connection.makefile("rb").read()
    assert reply.startswith(b"HTTP/1.1 404 ")
    assert b"not available here" in reply


@pytest.fixture(scope="module")
def flower(system: System) -> Iterator[int]:
    port = free_port()
    environ = {**system.environ, "FLOWER_BASIC_AUTH": "me:open-sesame", "FLOWER_URL_PREFIX": "flower"}
    process = start_celery("flower", "--address=127.0.0.1", f"--port={port}", environ=environ)
    process.wait_for_line("Connected to redis://", READY_S)
    yield port
    process.stop()


def test_flower_is_under_a_path_behind_its_own_password(
    flower: int, system: System, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy([system.port], {"FLOWER_SERVER": f"127.0.0.1:{flower}", "FLOWER_GUARDED": "set"})
    with proxy.client() as http:
        assert http.get("/flower/workers").status_code == 401
        assert http.get("/flower/metrics").status_code == 404
        http.auth = httpx.BasicAuth("me", "open-sesame")
        page = http.get("/flower/workers")
        assert page.status_code == 200
        style = next(part for part in page.text.split('"') if part.startswith("/flower/static/css/"))
        assert http.get(style.replace("&amp;", "&")).headers["content-type"].startswith("text/css")


def test_flower_is_not_served_without_a_password(
    flower: int, system: System, start_proxy: Callable[..., Proxy]
) -> None:
    proxy = start_proxy([system.port], {"FLOWER_SERVER": f"127.0.0.1:{flower}"})
    with proxy.client() as http:
        assert http.get("/flower/workers", auth=("me", "open-sesame")).status_code == 404
