"""Retries and their delays, as a pure function and against a server with given failures."""

import io
import json
import time
from collections.abc import Iterator

import pytest

from mnistified import AccessDenied, Client, Conflict, QueueFull, ServiceError, ServiceFailed, Unavailable, Unreachable
from mnistified.errors import error_of, retry_after_s
from mnistified.http.exchange import MAX_RETRY_AFTER_S, retry_delay_s
from tests.client.flaky import HANG_UP, flaky

ACCEPTED = json.dumps({"id": "j1", "state": "queued", "total": 2, "model": "cnn@1"}).encode()
FULL = json.dumps({"title": "Queue full", "status": 429, "detail": "the queue is full"}).encode()


def test_a_429_is_retried_after_the_retry_after_of_the_service() -> None:
    with flaky([(429, {"Retry-After": "1"}, FULL), (202, {}, ACCEPTED)]) as server, Client(server.url) as client:
        assert client.submit([b"one", b"two"]).id == "j1"
    assert server.times_s[1] - server.times_s[0] >= 1.0
    assert server.bodies[0] == server.bodies[1]
    assert len({headers["idempotency-key"] for headers in server.headers}) == 1


def test_a_broken_connection_is_retried_with_the_same_body() -> None:
    replies: list[tuple[int, dict[str, str], bytes]] = [(HANG_UP, {}, b""), (503, {}, b""), (202, {}, ACCEPTED)]
    pictures: Iterator[bytes] = iter([b"one", b"two"])
    with flaky(replies) as server, Client(server.url) as client:
        client.submit(pictures)
        client_keys = {headers["idempotency-key"] for headers in server.headers}
    assert len(server.bodies) == 3
    assert len(set(server.bodies)) == 1
    assert len(client_keys) == 1


def test_the_content_of_a_pipe_is_sent_again_from_disk() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with flaky([(503, {}, b""), (202, {}, ACCEPTED)]) as server, Client(server.url) as client:
        client.submit(Pipe(b"PK\x03\x04 all of it"))
    assert server.bodies == [b"PK\x03\x04 all of it"] * 2


def test_the_number_of_retries_is_limited() -> None:
    with (
        flaky([(429, {}, FULL)] * 3) as server,
        Client(server.url, retries=2) as client,
        pytest.raises(QueueFull, match="the queue is full"),
    ):
        client.status()
    assert not server.replies


def test_the_key_is_sent_but_not_in_any_representation() -> None:
    with flaky([(401, {}, b"who are you?")]) as server, Client(server.url, key="s3cret") as client:
        with pytest.raises(AccessDenied, match="who are you") as denied:
            client.status()
        assert "s3cret" not in f"{client!r} {vars(client)} {denied.value!r}"
    assert server.headers[0]["authorization"] == "Bearer s3cret"


def test_custom_headers_are_sent_and_an_answer_that_is_not_json_is_an_error() -> None:
    with (
        flaky([(200, {}, b"<html>")]) as server,
        Client(server.url, headers={"X-Request-ID": "r1"}) as client,
        pytest.raises(ServiceFailed, match="is this the API"),
    ):
        client.status()
    assert server.headers[0]["x-request-id"] == "r1"


@pytest.mark.parametrize(
    ("error", "expected_s"),
    [
        (Unreachable("refused"), (0.1, 0.2)),
        (Unreachable("timeout", retryable=False), None),
        (Unavailable(503, "", ""), (0.1, 0.2)),
        (QueueFull(429, "", "", retry_after_s=7.0), (7.0, 7.0)),
        (QueueFull(429, "", "", retry_after_s=MAX_RETRY_AFTER_S + 1), None),
        (Conflict(409, "", ""), None),
        (Conflict(409, "", "", retry_after_s=1.0), (1.0, 1.0)),
        (ServiceError(400, "", ""), None),
        (ServiceError(504, "", ""), None),
    ],
)
def test_only_temporary_errors_are_retried(
    error: Unreachable | ServiceError, expected_s: tuple[float, float] | None
) -> None:
    delays_s = [retry_delay_s(error, 0, jitter) for jitter in (1.0, 0.0)]
    assert delays_s == ([None, None] if expected_s is None else list(expected_s))


def test_delays_grow_up_to_a_maximum() -> None:
    delays_s = [retry_delay_s(Unreachable("refused"), attempt, 0.0) for attempt in range(10)]
    assert delays_s[:4] == [0.2, 0.4, 0.8, 1.6]
    assert delays_s[-1] == 20.0


def test_retry_after_is_seconds_or_a_date() -> None:
    now_s = time.mktime(time.strptime("2026-01-01", "%Y-%m-%d")) - time.timezone
    assert retry_after_s("3", now_s) == 3.0
    assert retry_after_s("Thu, 01 Jan 2026 00:00:05 GMT", now_s) == 5.0
    assert retry_after_s("Wed, 31 Dec 2025 00:00:00 GMT", now_s) == 0.0
    assert retry_after_s("soon", now_s) is None


def test_an_error_has_the_fields_of_the_problem_document() -> None:
    error = error_of(504, {}, b'{"title": "Timeout", "detail": "still queued", "id": "a-0"}', 0.0)
    assert (error.status, error.title, error.detail) == (504, "Timeout", "still queued")
    assert error.problem["id"] == "a-0"


@pytest.mark.parametrize("status", [404, 405, 502])
def test_a_web_page_is_not_from_this_service(status: int) -> None:
    page = b"<!DOCTYPE html>\n<html><head><title>Error\n response</title></head><body><p>" + b"x" * 1000
    error = error_of(status, {}, page, 0.0)
    assert isinstance(error, ServiceFailed)
    assert str(error) == (
        f"{status} Not the API: a web page ('Error response') answered, which this service does not send: "
        "another program or a proxy has this address"
    )


def test_the_page_of_a_proxy_that_asks_for_a_password_is_a_denied_access() -> None:
    assert isinstance(error_of(401, {}, b"<html>", 0.0), AccessDenied)
