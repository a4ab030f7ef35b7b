"""The fast path and the general path respond alike to the same bytes."""

import base64
import gzip
from collections.abc import Iterator

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.api_key import api_keys_entry
from deploy.processes import free_port
from shared.data.dataset import Split
from tests.api.fast.exchange import CLASSIFY, comparable, connect, fast_answers, read_reply, request, send
from tests.support.api_in_process import ApiThread
from tests.support.processes import wait_until
from tests.support.system import System
from tests.support.thoroughness import examples
from tests.support.uploads import image_file

DIGIT = np.zeros((28, 28), np.uint8)
DIGIT[4:24, 13:16] = 255
PNG = image_file(DIGIT)
FAINT = image_file(DIGIT // 10)
TRACEPARENT = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
FAST = {
    "a plain image": request(PNG),
    "an image with a content type": request(PNG, "Content-Type: application/json", "Accept: text/html"),
    "an id": request(PNG, "X-Request-ID: mine"),
    "an id that is none": request(PNG, "x-request-id: not allowed"),
    "a trace": request(PNG, TRACEPARENT),
    "an id and a trace": request(PNG, "X-REQUEST-ID: mine", TRACEPARENT),
    "a version": request(PNG, target=f"{CLASSIFY}?model=cnn-small@2"),
    "an alias": request(PNG, target=f"{CLASSIFY}?model=cnn-small@latest"),
    "a deadline": request(PNG, target=f"{CLASSIFY}?timeout_s=20&model=cnn-small@2"),
    "a preferred wait": request(PNG, 'Prefer: handling=lenient, wait="20"'),
    "an Idempotency-Key": request(PNG, "Idempotency-Key: a"),
    "another name of this machine": request(PNG, host="127.0.0.1:80"),
    "a kept connection": request(PNG, "Connection: keep-alive"),
    "a header that is no ASCII": request(PNG, "X: \xff\xe9"),
    "an upgrade, which is ignored": request(PNG, "Connection: Upgrade", "Upgrade: h2c"),
    "a threshold": request(PNG, target=f"{CLASSIFY}?accept=0.999999"),
    "the version's threshold": request(PNG, target=f"{CLASSIFY}?model=cnn&accept=rule"),
    "a version with a rule": request(PNG, target=f"{CLASSIFY}?model=cnn"),
    "the route of a version": request(PNG, target="/models/cnn-small@2/classify"),
    "the route of a model": request(PNG, "X-Request-ID: mine", target="/models/cnn/classify"),
    "the route of a version, with options": request(PNG, target="/models/cnn/classify?top=3&accept=1&timeout_s=20"),
    "a fragment": request(PNG, target=f"{CLASSIFY}?model=cnn-small@2#part"),
}
GENERAL = {
    "an unknown model": request(PNG, target=f"{CLASSIFY}?model=none"),
    "an unknown version": request(PNG, target=f"{CLASSIFY}?model=cnn-small@99"),
    "an unknown parameter": request(PNG, target=f"{CLASSIFY}?modle=cnn"),
    "a repeated parameter": request(PNG, target=f"{CLASSIFY}?model=cnn&model=cnn"),
    "an empty parameter": request(PNG, target=f"{CLASSIFY}?model="),
    "a deadline that is none": request(PNG, target=f"{CLASSIFY}?timeout_s=nan"),
    "not verbose": request(PNG, target=f"{CLASSIFY}?model=cnn-small@2&verbose=0"),
    "the route of an unknown version": request(PNG, target="/models/cnn@99/classify"),
    "the route of a version, encoded": request(PNG, target="/models/cnn-small%402/classify"),
    "the route of a version, resizing": request(PNG, target="/models/cnn-small@2/classify?resize=pad"),
    "the route of a version, no labels": request(PNG, target="/models/cnn-small@2/classify?top=0"),
    "a threshold that is none": request(PNG, target=f"{CLASSIFY}?accept=high"),
    "a fitted image": request(PNG, target=f"{CLASSIFY}?fit=digit"),
    "an absolute target": request(PNG, target=f"http://localhost{CLASSIFY}"),
    "a slash at the end": request(PNG, target=f"{CLASSIFY}/"),
    "an encoded path": request(PNG, target="/mnist/%63lassify"),
    "asynchronous": request(PNG, "Prefer: respond-async"),
    "a foreign host": request(PNG, host="example.com"),
    "a foreign page": request(PNG, "Origin: https://example.com"),
    "the own page": request(PNG, "Sec-Fetch-Site: same-origin"),
    "chunks": request(b"%x\r\n%b\r\n0\r\n\r\n" % (len(PNG), PNG), "Transfer-Encoding: chunked"),
    "HTTP/1.0": request(PNG, version="1.0"),
    "HTTP/1.0, kept": request(PNG, "Connection: keep-alive", version="1.0"),
    "the last request": request(PNG, "Connection: close"),
    "another method": request(PNG, method="PUT"),
    "a compressed body": request(gzip.compress(PNG), "Content-Encoding: gzip"),
    "an unknown encoding": request(PNG, "Content-Encoding: br"),
    "an image in JSON": request(b'{"image": "%b"}' % base64.b64encode(PNG)),
    "an image in a form": request(b"image=" + base64.b64encode(PNG), "Content-Type: application/x-www-form-urlencoded"),
    "a JPEG": request(image_file(DIGIT, "JPEG")),
    "a PNG in colour": request(image_file(np.dstack([DIGIT] * 3))),
    "a large PNG": request(image_file(np.zeros((280, 280), np.uint8))),
    "a faint image": request(FAINT),
    "a damaged image": request(PNG[:-20] + b"?" + PNG[-19:]),
    "a truncated image": request(PNG[:-1]),
    "an image and more": request(PNG + b"more"),
    "no image": request(b"hello"),
    "an empty body": request(b""),
    "a body that is too large": request(bytes(17 << 20)),
}


@pytest.mark.parametrize("name", FAST)
def test_a_plain_request_takes_the_fast_path_and_gets_the_same_answer(system: System, name: str) -> None:
    before = fast_answers(system.http)
    fast = send(system.port, FAST[name])
    assert fast.status == "HTTP/1.1 200 OK"
    assert fast_answers(system.http) == before + 1
    assert comparable(fast) == comparable(send(system.port, FAST[name], general=True))
    assert fast_answers(system.http) == before + 1


@pytest.mark.parametrize("name", GENERAL)
def test_every_other_request_takes_the_general_path(system: System, name: str) -> None:
    before = fast_answers(system.http)
    alone = send(system.port, GENERAL[name])
    assert comparable(alone) == comparable(send(system.port, GENERAL[name], general=True))
    assert fast_answers(system.http) == before


targets = st.builds(
    lambda path, *parameters: path + ("?" + "&".join(filter(None, parameters)) if any(parameters) else ""),
    st.sampled_from(
        [CLASSIFY] * 5 + ["/models/cnn-small/classify"] * 2 + [f"{CLASSIFY}/", "/mnist/classify/3", "/v1/models"]
    ),
    st.sampled_from(["", "", "model=cnn-small", "model=cnn-small@2", "model=@", "model=x@y", "model"]),
    st.sampled_from(["", "", "timeout_s=30", "timeout_s=-1", "timeout_s=1e9", "timeout_s=%31%30"]),
    st.sampled_from(["", "", "", "verbose=0", "fit=digit", "x=1", "accept=0.5", "accept=rule", "top=2", "top=99"]),
)
header_lines = st.sampled_from(
    [
        *("Accept: */*", "Content-Type: image/png", "Content-Type: multipart/form-data; boundary=x", "TE: trailers"),
        *("Prefer: wait=30", "Prefer: wait=abc", "prefer: respond-async, wait=1", "Prefer: wait=30, wait=20"),
        *("X-Request-ID: a.b", "X-Request-ID: a b", "X-Request-ID:", TRACEPARENT, "traceparent: 00-x"),
        *("Authorization: Bearer x", "X-API-Key: y", "Cookie: a=b", "Sec-Fetch-Mode: cors", "Origin: null"),
        *("Connection: close", "Connection: keep-alive, x", "Content-Encoding: identity"),
    ]
)
bodies = st.one_of(
    st.just(PNG),
    st.just(FAINT),
    st.binary(max_size=40),
    st.builds(lambda at, byte: PNG[:at] + byte + PNG[at + 1 :], st.integers(0, len(PNG) - 1), st.binary(max_size=2)),
)


@given(
    target=targets,
    lines=st.lists(header_lines, max_size=3),
    body=bodies,
    method=st.sampled_from(["POST"] * 6 + ["GET", "DELETE"]),
    version=st.sampled_from(["1.1"] * 6 + ["1.0"]),
)
@settings(max_examples=examples(400), deadline=None)
def test_both_paths_respond_alike(
    system: System, target: str, lines: list[str], body: bytes, method: str, version: str
) -> None:
    raw = request(body, *lines, target=target, method=method, version=version)
    assert comparable(send(system.port, raw)) == comparable(send(system.port, raw, general=True))


@given(cuts=st.lists(st.integers(1, len(FAST["an id and a trace"]) - 1), max_size=3))
@settings(max_examples=examples(100), deadline=None)
def test_a_request_in_several_pieces_gets_the_same_answer(system: System, cuts: list[int]) -> None:
    raw = FAST["an id and a trace"]
    whole = comparable(send(system.port, raw))
    with connect(system.port) as connection, connection.makefile("rb") as stream:
        for start, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(raw)], strict=True):
            connection.sendall(raw[start:end])
        assert comparable(read_reply(stream)) == whole


def test_requests_of_both_paths_alternate_on_one_connection(system: System, test_set: Split) -> None:
    kinds = [FAST["an id"], GENERAL["no image"], GENERAL["chunks"], FAST["a version"], GENERAL["a faint image"]]
    with connect(system.port) as connection, connection.makefile("rb") as stream:
        for raw in kinds * 2:
            connection.sendall(raw)
            assert comparable(read_reply(stream)) == comparable(send(system.port, raw, general=True))
        connection.sendall(b"".join(kinds))
        assert [read_reply(stream).status[9:12] for _ in kinds] == ["200", "400", "200", "200", "400"]


@pytest.fixture(scope="module")
def keyed(system: System) -> Iterator[int]:
    """The port of another API with keys and a website, which shares the system's worker."""
    port = free_port()
    keys = " ".join(api_keys_entry(name, key, False, 10**6, None) for name, key in (("a", "secret"), ("b", "other")))
    api = ApiThread({**system.environ, "API_PORT": str(port), "API_KEYS": keys, "CORS_ORIGINS": "https://example.com"})
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", headers={"X-API-Key": "secret"}) as http:
        wait_until(lambda: http.get("/status").json()["workers"], "the API knows the worker")
    yield port
    api.stop()


@pytest.mark.parametrize(
    ("lines", "status", "fast"),
    [
        (["X-API-Key: secret"], 200, 1),
        (["Authorization: bearer secret"], 200, 1),
        (["X-API-Key: secret", "Authorization: Basic abc"], 200, 1),
        (["X-API-Key: secret", "Authorization: Bearer other"], 401, 0),
        (["X-API-Key: wrong"], 401, 0),
        ([], 401, 0),
        (["X-API-Key: secret", "Origin: https://example.com"], 200, 0),
    ],
)
def test_keys_and_websites_are_respected(keyed: int, lines: list[str], status: int, fast: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{keyed}", headers={"X-API-Key": "secret"}) as http:
        before = fast_answers(http)
        raw = request(PNG, *lines, host="any.example")
        reply = send(keyed, raw)
        assert reply.status.split()[1] == str(status)
        assert fast_answers(http) == before + fast
        assert comparable(reply) == comparable(send(keyed, raw, general=True))
