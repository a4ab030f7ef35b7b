"""Texts that come out of an upload, as names and reasons: made short and harmless before anyone keeps or shows them."""

import re

MAX_NAME_CHARS = 255
MAX_REASON_CHARS = 500
_UNFIT = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")  # controls, line ends, halves of a character


def shown(text: str, most_chars: int = MAX_NAME_CHARS) -> str:
    """At most `most_chars` characters of valid Unicode without controls; what is cut off shows as `…`."""
    if len(text) > most_chars:
        text = f"{text[: most_chars - 1]}…"
    return _UNFIT.sub("\ufffd", text)


def reason(error: Exception) -> str:
    return shown(str(error) or type(error).__name__, MAX_REASON_CHARS)
