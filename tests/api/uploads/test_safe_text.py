import orjson
import pytest

from api.uploads.safe_text import MAX_NAME_CHARS, error_text, safe_text


@pytest.mark.parametrize("text", ["7.png", "é/7.png", "七.png", "a b", "", "../../etc/passwd", "x" * MAX_NAME_CHARS])
def test_an_ordinary_name_is_unchanged(text: str) -> None:
    assert safe_text(text) == text


def test_a_name_that_is_too_long_is_cut() -> None:
    assert safe_text("é" * 256) == "é" * 254 + "…"


@pytest.mark.parametrize("text", ["a\ud800b", "a\0b", "a\x1bb", "a\x9bb", "a\nb", "a\u2028b", "a\u2029b"])
def test_unsafe_characters_are_replaced(text: str) -> None:
    assert safe_text(text) == "a\ufffdb"
    assert orjson.dumps(safe_text(text))


def test_the_reason_of_an_error_without_a_message_is_its_kind() -> None:
    assert error_text(EOFError()) == "EOFError"
    assert len(error_text(ValueError("x" * 10_000))) == 500
