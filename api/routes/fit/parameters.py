"""The parameters `?fit=`, `?among=` and `?show=fitted`."""

import reprlib
from typing import cast, get_args

from starlette.datastructures import QueryParams

from api.queue.classify_request import Fit
from shared.contract.model_spec import ModelSpec
from shared.errors import BadParameter
from shared.numbers.roster import Roster, roster_of
from shared.shapes import NUMBER_MODEL, WINDOW_LABELS, WINDOW_SHAPE

MAX_AMONG_STRINGS = 1000
MAX_AMONG_DIGITS = 16  # digits of a string
MAX_SHOWN_CHARS = 40


def fit_parameter(query: QueryParams) -> Fit:
    """Parse `?fit=`. Raises BadParameter for values other than `digit` and `number`."""
    text = query.get("fit", "")
    for fit in get_args(Fit):
        if text == fit:
            return cast(Fit, fit)
    raise BadParameter(f"fit {text!r} is not supported, expected fit=digit or fit=number")


def among_parameter(query: QueryParams) -> Roster | None:
    """Parse `?among=`, the valid strings of a number, separated by commas. Raises BadParameter."""
    text = query.get("among")
    if text is None:
        return None
    if fit_parameter(query) != "number":
        raise BadParameter("among=… requires fit=number")
    strings = [string.strip() for string in text.split(",")]
    if len(strings) > MAX_AMONG_STRINGS:
        raise BadParameter(f"among has {len(strings)} strings, and may have {MAX_AMONG_STRINGS}")
    for string in strings:
        if not (string.isascii() and string.isdigit() and len(string) <= MAX_AMONG_DIGITS):
            shown = reprlib.repr(string)[:MAX_SHOWN_CHARS]
            raise BadParameter(f"among has {shown}: expected 1 to {MAX_AMONG_DIGITS} digits, as in among=1204,1377,88")
    if len(set(strings)) < len(strings):
        twice = next(string for at, string in enumerate(strings) if string in strings[:at])
        raise BadParameter(f"among has {twice} more than once")
    return roster_of(strings)


def require_number_reader(spec: ModelSpec, model: str) -> None:
    """Raise BadParameter unless a version reads numbers: single digits are not found in them."""
    if spec.shape != WINDOW_SHAPE or spec.labels != WINDOW_LABELS or not spec.acceptance:
        raise BadParameter(f"fit=number needs a version that reads numbers, such as {NUMBER_MODEL}, and not {model}")


def show_parameter(query: QueryParams) -> bool:
    """Parse `?show=fitted`. Raises BadParameter for other values, and without `fit=digit`."""
    text = query.get("show")
    if text is None:
        return False
    if text != "fitted":
        raise BadParameter(f"show {text!r} is not supported, expected show=fitted")
    if fit_parameter(query) != "digit":
        raise BadParameter("show=fitted requires fit=digit")
    return True
