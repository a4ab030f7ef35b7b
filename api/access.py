"""Who is asking."""

from collections.abc import Mapping
from typing import Any

from shared.api_keys import ApiKey

ANYONE = ApiKey("", "", admin=True)


def caller_of(scope: Mapping[str, Any]) -> ApiKey:
    caller: ApiKey = scope.get("caller", ANYONE)
    return caller
