"""Heads are remembered within bounds."""

import msgspec
import pytest

from api.fast import heads
from api.fast.heads import MNIST_ROUTE, VERSION_ROUTE, FastHeads
from api.http.access import ANYONE
from api.http.parameters import Places
from shared.config.settings import Settings
from shared.contract.entry import NO_ORIGIN, Origin
from shared.contract.model_spec import MNIST_SPEC, Acceptance

PATH = MNIST_ROUTE
PLACES: Places = dict.fromkeys(("model", "timeout_s", "verbose", "accept", "top", "resize"), "query")
HOST = (b"host", b"localhost")
LENGTH = (b"content-length", b"300")
RULED = msgspec.structs.replace(MNIST_SPEC, acceptance=Acceptance(threshold=0.9))


def fast_heads(**settings: object) -> FastHeads:
    return FastHeads(Settings(**settings), {f"POST {route}": PLACES for route in (MNIST_ROUTE, VERSION_ROUTE)})  # type: ignore[arg-type]


def test_a_head_means_the_same_when_it_is_repeated_with_another_length_and_id() -> None:
    known = fast_heads()
    first = known.read(b"/mnist/classify?model=cnn%403&timeout_s=5", [HOST, LENGTH, (b"prefer", b"wait=2")])
    assert first is not None
    meaning = first.meaning
    assert (meaning.caller, meaning.model_query, meaning.timeout_s, meaning.wait_s) == (ANYONE, "cnn@3", 5.0, 2.0)
    assert (first.origin, first.length) == (NO_ORIGIN, 300)
    again = known.read(
        b"/mnist/classify?model=cnn%403&timeout_s=5",
        [(b"x-request-id", b"mine"), HOST, (b"content-length", b"4096"), (b"prefer", b"wait=2")],
    )
    assert again is not None
    assert (again.meaning is meaning, again.origin, again.length) == (True, Origin("mine"), 4096)


def test_the_route_of_a_version_has_its_reference_in_the_path() -> None:
    head = fast_heads().read(b"/models/cnn@champion/classify?top=3&accept=rule", [HOST, LENGTH])
    assert head is not None
    meaning = head.meaning
    assert (meaning.route, meaning.model_query, meaning.top, meaning.accept) == (VERSION_ROUTE, "cnn@champion", 3, -1.0)
    plain = fast_heads().read(b"/models/cnn/classify", [HOST, LENGTH])
    assert plain is not None
    assert (plain.meaning.top, plain.meaning.accept) == (0, None)
    assert plain.meaning.request_for("cnn@4", RULED).accept == -1.0, "the version's own rule"
    mnist = fast_heads().read(MNIST_ROUTE.encode(), [HOST, LENGTH])
    assert mnist is not None
    assert (mnist.meaning.top, mnist.meaning.request_for("cnn@4", RULED).accept) == (None, None)


@pytest.mark.parametrize(
    "target",
    [
        *("/models/cnn/classify?model=cnn", "/models/cnn/classify?resize=exact", "/models/cnn/classify?top=0"),
        *("/models/cnn%404/classify", "/models//classify", "/models/a/b/classify", "/models/cnn/classify/bulk"),
        *("/models/cnn/classify/", "/mnist/classify?top=3", "/mnist/classify?accept=2"),
    ],
)
def test_other_targets_take_the_general_path(target: str) -> None:
    assert fast_heads().read(target.encode(), [HOST, LENGTH]) is None


@pytest.mark.parametrize("length", [b"0", b"4097", b"99999999999999999999", b"", b"-1", b"\xb2"])
def test_a_body_of_another_length_takes_the_general_path(length: bytes) -> None:
    assert fast_heads().read(PATH.encode(), [HOST, (b"content-length", length)]) is None
    assert fast_heads().read(PATH.encode(), [HOST]) is None
    assert fast_heads(max_image_bytes=200).read(PATH.encode(), [HOST, LENGTH]) is None


def test_a_request_of_one_version_is_one_object() -> None:
    found = fast_heads().read(PATH.encode(), [HOST, LENGTH])
    assert found is not None
    request = found.meaning.request_for("cnn@3")
    assert (request.model, request.model_query, request.caller) == ("cnn@3", "", ANYONE)
    assert found.meaning.request_for("cnn@3") is request
    assert found.meaning.request_for("cnn@2").model == "cnn@2"


def test_clients_cannot_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MAX_KNOWN_HEADS", 3)
    known = fast_heads()
    for number in range(10):
        assert known.read(PATH.encode(), [HOST, LENGTH, (b"x", b"%d" % number)]) is not None
        assert len(known._meanings) <= 3
    before = len(known._meanings)
    assert known.read(PATH.encode(), [HOST, LENGTH, (b"x", b"x" * 5000)]) is not None
    assert len(known._meanings) == before


def test_only_the_bytes_of_a_whole_request_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heads, "MAX_KNOWN_LENGTHS", 3)
    known = fast_heads()
    head = known.read(PATH.encode(), [HOST, (b"content-length", b"5")])
    named = known.read(PATH.encode(), [HOST, (b"content-length", b"5"), (b"x-request-id", b"mine")])
    assert head is not None
    assert named is not None
    raw = b"POST /mnist/classify HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\n"
    for other in (raw, raw + b"abcd", raw + b"abcdef", b"\r\n\r\n" + raw + b"abcde", b"", b"abcde"):
        known.remember(other, head)
    known.remember(raw + b"abcde", named)
    assert known.known == {}
    known.remember(raw + b"abcde", head)
    assert known.known == {raw: head}
    for number in range(10):
        known.remember(raw.replace(b"localhost", b"%d" % number) + b"abcde", head)
        assert len(known.known) <= 3
