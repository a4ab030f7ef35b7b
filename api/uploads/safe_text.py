"""Names and error reasons from an upload, shortened and made safe to store and display."""

import re

MAX_NAME_CHARS = 255
MAX_REASON_CHARS = 500
_UNSAFE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # controls, line ends, surrogates


def safe_text(text: str, max_chars: int = MAX_NAME_CHARS) -> str:
    """Return at most `max_chars` characters of valid Unicode without controls. A cut text ends with `…`."""
    if len(text) > max_chars:
        text = f"{text[: max_chars - 1]}…"
    return _UNSAFE.sub("\ufffd", text)


def error_text(error: Exception) -> str:
    return safe_text(str(error) or type(error).__name__, MAX_REASON_CHARS)
