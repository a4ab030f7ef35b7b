import asyncio
from typing import Any

import numpy as np
import orjson
import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Scope

from api.http.responses import Json, on_request_error, problem, redis_unavailable, send_body, send_problem, to_json
from shared import errors
from shared.errors import (
    BadImage,
    Forbidden,
    MethodNotAllowed,
    QueueFull,
    RequestError,
    Unauthorized,
    Unavailable,
    WaitTimeout,
)

SCOPE: Scope = {"type": "http", "method": "PUT", "path": "/mnist/classify", "headers": [], "query_string": b""}


def content_of(response: Response) -> Any:
    return orjson.loads(bytes(response.body))


def every_error() -> list[RequestError]:
    made: list[RequestError] = [QueueFull("why", 7), WaitTimeout("why", "ab-1")]
    kinds = [kind for kind in RequestError.__subclasses__() if kind not in (QueueFull, WaitTimeout)]
    return made + [kind("why") for kind in kinds]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_is_a_problem_with_its_status_title_and_detail(error: RequestError) -> None:
    response = problem(error)
    assert response.status_code == error.status
    assert response.headers["content-type"] == "application/problem+json"
    content = content_of(response)
    content.pop("id", None)
    assert content == {"type": "about:blank", "title": error.title, "status": error.status, "detail": "why"}


def test_the_statuses_are_those_in_the_tree_of_errors() -> None:
    assert errors.__doc__ is not None
    for error in every_error():
        assert f"{type(error).__name__:<20}{error.status}  " in errors.__doc__


def test_a_full_queue_says_when_to_try_again() -> None:
    assert problem(QueueFull("full", 7)).headers["retry-after"] == "7"
    assert problem(Unavailable("away")).headers["retry-after"] == "1"
    assert "retry-after" not in problem(BadImage("bad")).headers


def test_a_401_names_the_scheme_and_a_403_does_not() -> None:
    assert problem(Unauthorized("who?")).headers["www-authenticate"] == "Bearer"
    assert "www-authenticate" not in problem(Forbidden("no")).headers


def test_a_wait_that_ran_out_says_where_the_answer_will_be() -> None:
    response = problem(WaitTimeout("late", "ab-1"))
    assert response.headers["location"] == "/results/ab-1"
    assert content_of(response)["id"] == "ab-1"


def test_the_details_of_every_language_arrive() -> None:
    assert content_of(problem(BadImage("28×28, größer")))["detail"] == "28×28, größer"


def test_a_request_error_that_a_route_raises_is_a_problem() -> None:
    response = asyncio.run(on_request_error(Request(SCOPE), BadImage("bad")))
    assert (response.status_code, content_of(response)["detail"]) == (400, "bad")


def test_a_lost_redis_is_an_unavailable_service() -> None:
    response = problem(redis_unavailable(RedisConnectionError("refused")))
    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert content_of(response)["detail"] == "Redis is unreachable: refused"


def test_a_405_lists_the_methods() -> None:
    assert problem(MethodNotAllowed("why", ["DELETE", "GET"])).headers["allow"] == "DELETE, GET"


def test_numbers_and_arrays_of_numpy_are_json() -> None:
    probabilities = np.array([0.1, 1 / 3, 1e-8], np.float32)
    data = to_json({"prediction": np.uint8(7), "probabilities": probabilities})
    assert data.startswith(b'{"prediction":7,"probabilities":[0.1,')
    again = orjson.loads(data)["probabilities"]
    np.testing.assert_array_equal(np.array(again, np.float32), probabilities)


def test_a_json_reply_has_its_headers() -> None:
    response = Json({"label": np.int64(4)}, 202, {"Location": "/results/j1"})
    assert (response.status_code, response.body) == (202, b'{"label":4}\n')
    assert response.headers["content-type"] == "application/json"
    assert response.headers["location"] == "/results/j1"


async def no_more() -> Message:
    raise AssertionError("nothing is read from the client")


def test_a_body_is_sent_whole_and_with_its_length() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(send_body(send, 200, "für".encode(), [(b"content-type", b"text/plain")]))
    assert sent == [
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"content-type", b"text/plain"), (b"content-length", b"4")],
        },
        {"type": "http.response.body", "body": "für".encode()},
    ]


def test_a_problem_can_be_sent_without_a_route() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    asyncio.run(send_problem(SCOPE, no_more, send, QueueFull("full", 7)))
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"7") in sent[0]["headers"]
    assert orjson.loads(sent[1]["body"])["detail"] == "full"
