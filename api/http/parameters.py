"""Parsing of path indices, query parameters, and the `Prefer` and `Accept` headers."""

import difflib
import math
import re
import reprlib
from collections.abc import Mapping
from typing import Literal, cast, get_args

from starlette.datastructures import Headers, QueryParams

from shared.callback_url import callback_fault
from shared.config.settings import Settings
from shared.contract.entry import THRESHOLD_OF_CARD
from shared.contract.model_spec import MAX_TOP
from shared.errors import BadParameter, NotFound

Place = Literal["query", "header", "refused"]  # refused: in the query, but the route has an error for it
Places = Mapping[str, Place]  # the parameters of a route, by name
Maps = Literal["none", "png", "numbers"]  # format of the layers' maps in a verbose response

MAY_BE_EMPTY = {"reason"}  # older versions of the Python client send it without a value
MAX_COMPARED_CHARS = 64  # length up to which the name of an unknown parameter is compared
MIN_SIMILARITY = 0.5  # similarity of names, from 0 to 1, from which an error suggests the known one

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_PREFER_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,6})\"?")


def check_query(query: QueryParams, places: Places) -> None:
    """Raise BadParameter for a parameter that the route does not have, that is repeated, or that has no value."""
    found: set[str] = set()
    for name, value in query.multi_items():
        if places.get(name, "header") == "header":
            raise BadParameter(f"there is no parameter {reprlib.repr(name)} here: {_advice(name, places)}")
        if name in found:
            raise BadParameter(f"the parameter {name} is given more than once")
        if not value and name not in MAY_BE_EMPTY:
            raise BadParameter(f"the parameter {name} has no value: leave it out, or send {name}=…")
        found.add(name)


def _advice(name: str, places: Places) -> str:
    """Name the parameter that an unknown `name` probably means, and all others."""
    lower = name[:MAX_COMPARED_CHARS].lower()
    for known, place in places.items():
        if place == "header" and known.lower() == lower:
            return f"send {known} as a header"
    names = [known for known, place in places.items() if place == "query"]
    if not names:
        return "this route has no parameters"
    near = difflib.get_close_matches(lower, names, 1, MIN_SIMILARITY)
    known = f"the parameters are {', '.join(names)}" if len(names) > 1 else f"the only parameter is {names[0]}"
    return f"did you mean {near[0]}? T{known[1:]}" if near else known


def index_of(text: str, count: int) -> int:
    """Parse an index into `count` images. Raises BadParameter if it is not an integer, NotFound if it is too large."""
    index = integer_of("index", text)
    if not 0 <= index < count:
        raise NotFound(f"there is no image {index}: indices go from 0 to {count - 1}")
    return index


def integer_of(name: str, text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise BadParameter(f"{name} {text!r} is not an integer")
    return int(text)


def integer_parameter(query: QueryParams, name: str, default: int, low: int, high: int) -> int:
    """Parse a query parameter. Raises BadParameter if it is not within `low` to `high`."""
    text = query.get(name)
    if text is None:
        return default
    number = integer_of(name, text)
    if not low <= number <= high:
        raise BadParameter(f"{name}={number} is not within {low} to {high}")
    return number


def _number(text: str) -> float:
    """Return the number, or NaN, which is outside every range."""
    try:
        return float(text)
    except ValueError:
        return math.nan


def wait_parameter(query: QueryParams, max_s: float, default_s: float = 0.0) -> float:
    """Parse `?wait=`, in seconds. Values over `max_s` are reduced to it."""
    text = query.get("wait")
    wait_s = default_s if text is None else _number(text)
    if not wait_s >= 0:
        raise BadParameter(f"wait {text!r} is not a number of seconds")
    return min(wait_s, max_s)


def timeout_parameter(query: QueryParams, max_s: float) -> float | None:
    """Parse `?timeout_s=`, the time after which an image without a result expires. Return None if it is absent."""
    text = query.get("timeout_s")
    if text is None:
        return None
    timeout_s = _number(text)
    if not 0 < timeout_s <= max_s:
        raise BadParameter(f"timeout_s {text!r} is not a number of seconds above 0 and at most {max_s:g}")
    return timeout_s


def accept_parameter(query: QueryParams) -> float | None:
    """Parse `?accept=`: the score from which an answer is accepted, or `rule` for the threshold of the version.

    Return None if it is absent, and THRESHOLD_OF_CARD for `rule`. Raises BadParameter.
    """
    text = query.get("accept")
    if text is None:
        return None
    if text == "rule":
        return THRESHOLD_OF_CARD
    threshold = _number(text)
    if not 0 <= threshold <= 1:
        shown = reprlib.repr(text)
        raise BadParameter(f"accept {shown} is not a number from 0 to 1; `rule` stands for the version's own threshold")
    return threshold


def top_parameter(query: QueryParams) -> int:
    """Parse `?top=`, the number of best labels, 0 for the usual number. Raises BadParameter."""
    return integer_parameter(query, "top", 0, 1, MAX_TOP)


def verbose_parameter(query: QueryParams) -> Maps | None:
    """Parse `?verbose=` and `?maps=`. Return the format of the layers' maps, or None if the request is not verbose."""
    verbose, maps = query.get("verbose"), query.get("maps")
    if verbose not in (None, "0", "1", "false", "true"):
        raise BadParameter(f"verbose {reprlib.repr(verbose)} is neither 1 nor 0")
    if verbose in ("1", "true"):
        return maps_parameter(query)
    if maps is not None:
        raise BadParameter("maps requires verbose=1")
    return None


def maps_parameter(query: QueryParams) -> Maps:
    """Parse `?maps=`, which is `none` by default."""
    maps = query.get("maps", "none")
    if maps not in get_args(Maps):
        raise BadParameter(f"maps {reprlib.repr(maps)} is not one of {', '.join(get_args(Maps))}")
    return cast(Maps, maps)


def callback_parameter(query: QueryParams, settings: Settings) -> str | None:
    """Parse `?callback_url=` and check it without resolving its host. Raises BadParameter."""
    url = query.get("callback_url")
    if url is None:
        return None
    if not settings.webhook_secret:
        raise BadParameter("callback_url is not accepted: WEBHOOK_SECRET, which signs callbacks, is not set")
    fault = callback_fault(url, allow_private=settings.webhook_allow_private)
    if fault is not None:
        raise BadParameter(f"callback_url {fault}")
    return url


def prefers_async(headers: Headers) -> bool:
    """Return whether the client sent `Prefer: respond-async` (RFC 7240)."""
    return "respond-async" in (part.strip() for part in _prefer(headers).split(","))


def preferred_wait_s(headers: Headers, max_s: float) -> float:
    """Parse `Prefer: wait=`, in seconds (RFC 7240). `max_s` is both the limit and the default."""
    match = _PREFER_WAIT.search(_prefer(headers))
    return min(float(match[1]), max_s) if match else max_s


def _prefer(headers: Headers) -> str:
    """Return all Prefer headers joined: a client may send a line for each preference."""
    values = [value for name, value in headers.raw if name == b"prefer"]
    return b",".join(values).decode("latin-1").lower() if values else ""


def accepts_first(accept: str, candidates: tuple[str, ...]) -> str:
    """Return the candidate that `Accept` ranks highest: the first one on a tie, or if none is accepted."""
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
