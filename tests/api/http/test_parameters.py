import math

import pytest
from starlette.datastructures import Headers, QueryParams

from api.http.parameters import (
    accepts_first,
    callback_parameter,
    index_of,
    integer_of,
    integer_parameter,
    preferred_wait_s,
    prefers_async,
    wait_parameter,
)
from shared.config.settings import Settings
from shared.errors import BadParameter, NotFound


@pytest.mark.parametrize(
    ("text", "expected"), [("0", 0), ("7", 7), ("-3", -3), ("+5", 5), ("007", 7), ("9" * 18, 10**18 - 1)]
)
def test_an_integer_is_digits_with_or_without_a_sign(text: str, expected: int) -> None:
    assert integer_of("offset", text) == expected


@pytest.mark.parametrize("text", ["", "-", "x", "1.0", "1e3", " 1", "1\n", "1_000", "٣", "²", "0x10", "9" * 19, "--1"])
def test_anything_else_is_refused_with_the_parameters_name(text: str) -> None:
    with pytest.raises(BadParameter) as refused:
        integer_of("offset", text)
    assert refused.value.detail == f"offset {text!r} is not an integer"


@pytest.mark.parametrize("index", [0, 5, 9])
def test_an_index_is_from_zero_to_below_the_count(index: int) -> None:
    assert index_of(str(index), 10) == index


@pytest.mark.parametrize("text", ["-1", "10", "999999999999999999"])
def test_an_index_outside_is_not_found_and_the_error_has_the_bounds(text: str) -> None:
    with pytest.raises(NotFound, match=f"there is no image {text}: indices go from 0 to 9"):
        index_of(text, 10)


def test_an_index_that_is_no_integer_is_a_bad_parameter() -> None:
    with pytest.raises(BadParameter, match="index 'seven' is not an integer"):
        index_of("seven", 10)


@pytest.mark.parametrize(
    ("query", "expected"), [("", 100), ("limit=1", 1), ("limit=1000", 1000), ("limit=7&limit=8", 8)]
)
def test_a_parameter_has_a_default_and_inclusive_bounds(query: str, expected: int) -> None:
    assert integer_parameter(QueryParams(query), "limit", 100, 1, 1000) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        *((text, f"limit={text} is not within 1 to 1000") for text in ("0", "1001", "-5")),
        *((text, f"limit '{text}' is not an integer") for text in ("", "all")),
    ],
)
def test_a_parameter_that_is_out_of_bounds_or_no_integer_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(BadParameter, match=reason):
        integer_parameter(QueryParams({"limit": text}), "limit", 100, 1, 1000)


@pytest.mark.parametrize(
    ("query", "expected"),
    [("", 0.0), ("wait=0", 0.0), ("wait=2.5", 2.5), ("wait=60", 60.0), ("wait=61", 60.0), ("wait=inf", 60.0)],
)
def test_a_wait_is_in_seconds_and_limited(query: str, expected: float) -> None:
    assert wait_parameter(QueryParams(query), 60.0) == expected


@pytest.mark.parametrize("text", ["", "-1", "-0.001", "nan", "-inf", "30s", "soon"])
def test_a_wait_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadParameter, match=f"wait '{text}' is not a number of seconds"):
        wait_parameter(QueryParams({"wait": text}), 60.0)


def headers(*preferences: str) -> Headers:
    return Headers(raw=[(b"prefer", preference.encode()) for preference in preferences])


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        ((), False),
        (("respond-async",), True),
        (("Respond-Async",), True),
        (("wait=5, respond-async",), True),
        (("respond-async , wait=5",), True),
        (("wait=5", "respond-async"), True),
        (("respond-asynchronously",), False),
        (("handling=lenient",), False),
    ],
)
def test_respond_async_is_recognised_in_prefer_headers(preferences: tuple[str, ...], expected: bool) -> None:
    assert prefers_async(headers(*preferences)) is expected


@pytest.mark.parametrize(
    ("preferences", "expected"),
    [
        ((), 30.0),
        (("wait=5",), 5.0),
        (("Wait = 5",), 5.0),
        (('wait="5"',), 5.0),
        (("wait=0",), 0.0),
        (("wait=31",), 30.0),
        (("respond-async, wait=5",), 5.0),
        (("respond-async", "wait=5"), 5.0),
        (("await=5",), 30.0),
        (("x-wait=5",), 30.0),
        (("wait=-5",), 30.0),
        (("wait=soon",), 30.0),
    ],
)
def test_a_preferred_wait_is_limited_and_the_limit_is_the_default(
    preferences: tuple[str, ...], expected: float
) -> None:
    wait_s = preferred_wait_s(headers(*preferences), 30.0)
    assert math.isclose(wait_s, expected)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", "image/jpeg"),
        ("*/*", "image/jpeg"),
        ("image/*", "image/jpeg"),
        ("text/html", "image/jpeg"),
        ("image/png", "image/png"),
        ("IMAGE/PNG", "image/png"),
        ("image/png, image/jpeg", "image/jpeg"),
        ("image/png;q=0.9, image/jpeg;q=0.8", "image/png"),
        ("image/png; q=0.5, */*; q=0.4", "image/png"),
        ("image/jpeg;q=0.5, image/*", "image/png"),
        ("image/jpeg;q=0, */*", "image/png"),
        ("image/*;q=0.2, */*;q=0.9", "image/jpeg"),
        ("image/png;level=1;q=0.5, image/jpeg;q=0.1", "image/png"),
        ("image/png;q=much", "image/jpeg"),
        (",;,", "image/jpeg"),
        (
            "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/png,*/*;q=0.8",
            "image/png",
        ),
    ],
)
def test_the_highest_ranked_type_is_chosen_and_the_first_on_a_tie(accept: str, expected: str) -> None:
    assert accepts_first(accept, ("image/jpeg", "image/png")) == expected


SIGNED = Settings(webhook_secret="sixteen-or-more-characters")  # noqa: S106


def test_a_callback_url_is_taken_as_it_is_and_none_is_none() -> None:
    url = "https://example.com/hook?token=a%20b"
    assert callback_parameter(QueryParams({"callback_url": url}), SIGNED) == url
    assert callback_parameter(QueryParams(""), SIGNED) is None
    assert callback_parameter(QueryParams(""), Settings()) is None


@pytest.mark.parametrize(
    ("settings", "url", "detail"),
    [
        (Settings(), "https://example.com/", "WEBHOOK_SECRET"),
        (SIGNED, "", "callback_url is not an absolute http or https URL"),
        (SIGNED, "http://10.0.0.1/", "callback_url names a private address"),
    ],
)
def test_a_callback_url_that_cannot_be_called_is_refused_with_the_reason(
    settings: Settings, url: str, detail: str
) -> None:
    with pytest.raises(BadParameter, match=detail):
        callback_parameter(QueryParams({"callback_url": url}), settings)
