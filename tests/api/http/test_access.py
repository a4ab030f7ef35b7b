"""API keys: first by the headers alone, then on a real API with keys."""

import asyncio
import hmac
from collections.abc import Iterator
from hashlib import sha256

import pytest
from starlette.requests import Request
from starlette.types import Message, Receive, Scope, Send

from api.http.access import ANYONE, Access, Gate, caller_of, require_admin
from shared.config.api_keys import ApiKey
from shared.errors import Forbidden, Unauthorized
from tests.support.system import RedisServer, System, running

Header = tuple[bytes, bytes]

ALICES, OPS, UNKNOWN = "alices-key-of-many-characters", "the-key-of-ops", "nobodys-key"


def key_of(name: str, secret: str, admin: bool = False) -> ApiKey:
    return ApiKey(name, sha256(secret.encode()).hexdigest(), admin)


ALICE, ADMIN = key_of("alice", ALICES), key_of("ops", OPS, admin=True)
ACCESS = Access((ALICE, ADMIN))


def bearer(secret: str, scheme: str = "Bearer") -> Header:
    return (b"authorization", f"{scheme} {secret}".encode())


def x_api_key(secret: str) -> Header:
    return (b"x-api-key", secret.encode())


@pytest.mark.parametrize(
    "header",
    [
        bearer(ALICES),
        bearer(ALICES, "bearer"),
        bearer(f"  {ALICES} "),
        x_api_key(ALICES),
        x_api_key(f" {ALICES}\t"),
    ],
)
def test_the_caller_is_whose_key_it_is(header: Header) -> None:
    assert ACCESS.caller([(b"host", b"x"), header, (b"accept", b"*/*")]) is ALICE
    assert Access((ADMIN,)).caller([bearer(OPS)]) is ADMIN


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [bearer("")],
        [x_api_key("")],
        [(b"authorization", b"Bearer")],
        [(b"authorization", ALICES.encode())],
        [bearer(ALICES, "Basic")],
        [(b"cookie", f"x-api-key={ALICES}".encode())],
    ],
)
def test_a_request_without_a_key_is_refused(headers: list[Header]) -> None:
    with pytest.raises(Unauthorized, match="a key is needed: send a key as `Authorization: Bearer <key>` or `X-API-"):
        ACCESS.caller(headers)


def test_an_empty_key_lets_nobody_in_even_if_its_hash_was_configured() -> None:
    with pytest.raises(Unauthorized):
        Access((key_of("oops", ""),)).caller([x_api_key("")])


@pytest.mark.parametrize("secret", [UNKNOWN, ALICES[:-1], ALICES + "x", ALICES.upper(), ALICE.sha256, "alice", "ключ"])
def test_an_unknown_key_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(Unauthorized, match="not known") as refused:
        ACCESS.caller([bearer(secret)])
    assert secret not in str(refused.value)


def test_two_different_keys_in_one_request_are_refused_and_the_same_one_twice_is_not() -> None:
    for headers in ([bearer(ALICES), x_api_key(OPS)], [x_api_key(ALICES), x_api_key(UNKNOWN)]):
        with pytest.raises(Unauthorized, match="two different keys"):
            ACCESS.caller(headers)
    assert ACCESS.caller([bearer(ALICES), x_api_key(ALICES)]) is ALICE


def test_the_credentials_of_a_reverse_proxy_are_ignored() -> None:
    assert ACCESS.caller([bearer("dXNlcjpwYXNz", "Basic"), x_api_key(ALICES)]) is ALICE


def test_without_keys_everyone_is_an_admin() -> None:
    caller = Access(()).caller([bearer(UNKNOWN)])
    assert caller is ANYONE
    require_admin(caller)


def test_every_hash_is_compared_even_after_a_match(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(known: bytes, digest: bytes) -> bool:
        compared.append(known)
        return known == digest

    monkeypatch.setattr(hmac, "compare_digest", compare)
    ACCESS.caller([bearer(ALICES)])
    assert [known.hex() for known in compared] == [ALICE.sha256, ADMIN.sha256]


def test_only_an_admin_may_do_what_needs_one() -> None:
    require_admin(ADMIN)
    with pytest.raises(Forbidden, match="admin"):
        require_admin(ALICE)


def through_the_gate(scope: Scope) -> list[Scope]:
    """Return the scopes of the requests that the gate let through. The gate's own responses are ignored."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("the gate reads no body")

    async def send(message: Message) -> None:
        assert message["type"].startswith("http.response.")

    asyncio.run(Gate(app, ACCESS)(scope, receive, send))
    return seen


def test_the_gate_puts_the_caller_into_the_scope() -> None:
    (scope,) = through_the_gate({"type": "http", "path": "/status", "headers": [bearer(ALICES)]})
    assert caller_of(scope) is caller_of(Request(scope)) is ALICE


def test_only_open_paths_pass_the_gate_without_a_key() -> None:
    assert through_the_gate({"type": "http", "path": "/status", "headers": []}) == []
    for path in ("/", "/page/main.js", "/healthz", "/readyz"):
        assert len(through_the_gate({"type": "http", "path": path, "headers": []})) == 1
    for path in ("/healthz/", "/healthz/../status", "//healthz", "/HEALTHZ", "", "//", "/page", "/pages/x"):
        assert through_the_gate({"type": "http", "path": path, "headers": []}) == []


def test_lifespan_events_pass_the_gate() -> None:
    assert len(through_the_gate({"type": "lifespan"})) == 1


@pytest.fixture(scope="module")
def guarded(redis_server: RedisServer) -> Iterator[System]:
    """An API with two keys, no workers, and all log lines."""
    api_keys = f"alice:{ALICE.sha256} ops:{ADMIN.sha256}:admin"
    with running(redis_server.new_url(), 0, {"API_KEYS": api_keys, "LOG_LEVEL": "debug"}) as system:
        yield system


EVERYWHERE = [
    ("GET", "/status"),
    ("GET", "/mnist/label/0"),
    ("GET", "/mnist/image/0"),
    ("GET", "/mnist/0/classify"),
    ("POST", "/mnist/classify"),
    ("GET", "/mnist/classify"),
    ("POST", "/mnist/classify/bulk"),
    ("GET", "/results/jno-such-job"),
    ("GET", "/results/jno-such-job/items"),
    ("GET", "/results/jno-such-job/events"),
    ("DELETE", "/results/jno-such-job"),
    ("GET", "/no/such/path"),
    ("GET", "/page"),
    ("GET", "/mnist/labels"),
    ("GET", "/mnist/sheet"),
    ("OPTIONS", "/status"),
    ("GET", "/%68ealthz/"),
]


@pytest.mark.parametrize("headers", [{}, {"X-API-Key": UNKNOWN}, {"Authorization": f"Bearer {UNKNOWN}"}])
@pytest.mark.parametrize(("method", "path"), EVERYWHERE)
def test_without_a_key_every_other_route_is_a_401(
    guarded: System, method: str, path: str, headers: dict[str, str]
) -> None:
    reply = guarded.http.request(method, path, headers=headers, content=b"x")
    assert reply.status_code == 401
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.headers["www-authenticate"] == "Bearer"
    problem = reply.json()
    assert (problem["status"], problem["title"]) == (401, "Unauthorized")
    assert UNKNOWN not in reply.text


@pytest.mark.parametrize("secret", [ALICES, OPS])
@pytest.mark.parametrize("header", ["Authorization", "X-API-Key"])
def test_a_key_opens_every_route_with_either_header(guarded: System, header: str, secret: str) -> None:
    headers = {header: f"Bearer {secret}" if header == "Authorization" else secret}
    assert guarded.http.get("/status", headers=headers).status_code == 200
    assert guarded.http.get("/no/such/path", headers=headers).status_code == 404
    assert guarded.http.post("/mnist/classify", headers=headers, content=b"no image").status_code == 400


def test_health_checks_need_no_key(guarded: System) -> None:
    assert guarded.http.get("/healthz").status_code == 200
    assert guarded.http.get("/readyz").status_code == 503, "open, and there is no worker"


@pytest.mark.slow
def test_no_key_appears_in_responses_or_logs(guarded: System) -> None:
    for secret in (ALICES, OPS, UNKNOWN):
        replies = [
            guarded.http.request(method, path, headers=headers)
            for method, path in EVERYWHERE
            for headers in ({"X-API-Key": secret}, {"Authorization": f"Bearer {secret}"})
        ]
        for reply in replies:
            assert secret not in reply.text + str(reply.headers)
            assert sha256(secret.encode()).hexdigest() not in reply.text
    guarded.api.wait_for_line('"path":"/no/such/path"')
    for secret in (ALICES, OPS, UNKNOWN, ALICE.sha256, ADMIN.sha256):
        assert secret not in guarded.api.output


@pytest.mark.parametrize("path", ["/page/../status", "/page/%2e%2e/status", "/page//status", "/page/status"])
def test_the_folder_of_page_assets_opens_no_other_path(guarded: System, path: str) -> None:
    assert guarded.http.get(path).status_code in (401, 404)  # httpx resolves the first, so that it asks for /status
