import orjson
import pytest

from api.uploads.texts import MAX_NAME_CHARS, reason, shown


@pytest.mark.parametrize("text", ["7.png", "é/7.png", "七.png", "a b", "", "../../etc/passwd", "x" * MAX_NAME_CHARS])
def test_an_honest_name_is_left_as_it_is(text: str) -> None:
    assert shown(text) == text


def test_a_name_that_is_too_long_is_cut() -> None:
    assert shown("é" * 256) == "é" * 254 + "…"


@pytest.mark.parametrize("text", ["a\ud800b", "a\0b", "a\x1bb", "a\x9bb", "a\nb", "a\u2028b", "a\u2029b"])
def test_what_is_not_for_showing_is_replaced(text: str) -> None:
    assert shown(text) == "a\ufffdb"
    assert orjson.dumps(shown(text))


def test_the_reason_of_an_error_without_a_message_is_its_kind() -> None:
    assert reason(EOFError()) == "EOFError"
    assert len(reason(ValueError("x" * 10_000))) == 500
