"""What comes in beside a body: indices, numbers, the Prefer header, content negotiation."""

import math
import re
import reprlib
from typing import Literal, cast, get_args

from starlette.datastructures import Headers, QueryParams

from shared.config.settings import Settings
from shared.contract.callback import callback_fault
from shared.errors import BadParameter, NotFound

Maps = Literal["none", "png", "numbers"]  # of the layers of a verbose request

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_PREFER_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,6})\"?")


def index_of(text: str, count: int) -> int:
    """An index into `count` images. Raises BadParameter for no integer, NotFound outside."""
    index = integer_of("index", text)
    if not 0 <= index < count:
        raise NotFound(f"no image {index}: there are {count}, 0 to {count - 1}")
    return index


def integer_of(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadParameter(f"{name} {text!r} is not an integer")
    return int(text)


def integer_parameter(query: QueryParams, name: str, default: int, low: int, high: int) -> int:
    """Raises BadParameter outside `low` to `high`."""
    text = query.get(name)
    if text is None:
        return default
    number = integer_of(name, text)
    if not low <= number <= high:
        raise BadParameter(f"{name}={number} is not within {low} to {high}")
    return number


def wait_parameter(query: QueryParams, most_s: float, default_s: float = 0.0) -> float:
    """`?wait=` in seconds, cut at `most_s`; `default_s` where it is not given."""
    text = query.get("wait")
    try:
        wait_s = default_s if text is None else float(text)
    except ValueError:
        wait_s = math.nan
    if not wait_s >= 0:
        raise BadParameter(f"wait {text!r} is not a number of seconds")
    return min(wait_s, most_s)


def timeout_parameter(query: QueryParams, most_s: float) -> float | None:
    """`?timeout_s=`: after so long an image without an answer expires; None where it is not given."""
    text = query.get("timeout_s")
    if text is None:
        return None
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= most_s:
        raise BadParameter(f"timeout_s {text!r} is not a number of seconds over 0, {most_s:g} at most")
    return timeout_s


def verbose_parameter(query: QueryParams) -> Maps | None:
    """`?verbose=1`, with what `?maps=` wants of the layers' maps; None where it is not asked for."""
    verbose, maps = query.get("verbose"), query.get("maps")
    if verbose not in (None, "0", "1", "false", "true"):
        raise BadParameter(f"verbose {reprlib.repr(verbose)} is neither 1 nor 0")
    if verbose in ("1", "true"):
        return maps_parameter(query)
    if maps is not None:
        raise BadParameter("maps are those of the layers: they need verbose=1")
    return None


def maps_parameter(query: QueryParams) -> Maps:
    """`?maps=png` or `?maps=numbers`; `none` where it is not given."""
    maps = query.get("maps", "none")
    if maps not in get_args(Maps):
        raise BadParameter(f"maps {reprlib.repr(maps)} is not one of {', '.join(get_args(Maps))}")
    return cast(Maps, maps)


def callback_parameter(query: QueryParams, settings: Settings) -> str | None:
    """`?callback_url=`, checked as far as that goes without resolving its host. Raises BadParameter."""
    url = query.get("callback_url")
    if url is None:
        return None
    if not settings.webhook_secret:
        raise BadParameter("callback_url is not taken here: WEBHOOK_SECRET, which signs callbacks, is not set")
    fault = callback_fault(url, allow_private=settings.webhook_allow_private)
    if fault is not None:
        raise BadParameter(f"callback_url {fault}")
    return url


def prefers_async(headers: Headers) -> bool:
    """`Prefer: respond-async` (RFC 7240)."""
    return "respond-async" in (part.strip() for part in _prefer(headers).split(","))


def preferred_wait_s(headers: Headers, most_s: float) -> float:
    """`Prefer: wait=` in seconds (RFC 7240), cut at `most_s`, which is also what holds without it."""
    match = _PREFER_WAIT.search(_prefer(headers))
    return min(float(match[1]), most_s) if match else most_s


def _prefer(headers: Headers) -> str:
    """All Prefer headers as one: a client may send a line for each preference. Empty for most requests."""
    values = [value for name, value in headers.raw if name == b"prefer"]
    return b",".join(values).decode("latin-1").lower() if values else ""


def accepts_first(accept: str, candidates: tuple[str, ...]) -> str:
    """The candidate that `Accept` ranks highest; the first one on a tie, and where it says nothing of any."""
    weights: dict[str, float] = {}
    for part in accept.lower().split(","):
        media_type, *options = (piece.strip() for piece in part.split(";"))
        quality = next((option[2:] for option in options if option.startswith("q=")), "1")
        try:
            weights[media_type] = float(quality)
        except ValueError:
            continue

    def weight(candidate: str) -> float:
        kind = candidate.partition("/")[0]
        return weights.get(candidate, weights.get(f"{kind}/*", weights.get("*/*", 0.0)))

    return max(candidates, key=weight)
