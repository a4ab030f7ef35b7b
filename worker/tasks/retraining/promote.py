"""What a trainer does to aliases: it sets `candidate`, and asks the API to promote."""

import json
import time
import urllib.error
import urllib.request

import orjson

from shared.config.settings import Settings
from shared.contract.alias import CHAMPION, Alias, decode_alias, encode_alias
from shared.redis import keys
from shared.redis.connection import Client

CANDIDATE = "candidate"
CHANGES_KEPT = 10_000
PROMOTE_TIMEOUT_S = 90.0  # workers load and warm the version before the API answers
MOST_ANSWER_BYTES = 4096


def champion_of(client: Client, model: str, versions: list[int]) -> int | None:
    """What the name alone means now: its champion, else its latest version, None where there is none."""
    data = client.hget(keys.ALIASES, f"{model}/{CHAMPION}")
    if data is not None:
        return decode_alias(data).version
    return versions[-1] if versions else None


def set_alias(client: Client, model: str, alias: str, version: int, by: str, *, only_new: bool = False) -> None:
    """Have `alias` mean `version` to everyone and record who did it, both or neither, as `api/versions/promotion.py`
    does.

    With `only_new`, an alias that is there stays as it is.
    """
    name = f"{model}/{alias}"
    to = Alias(version)

    def decide(pipeline: Client) -> None:
        held = pipeline.hget(keys.ALIASES, name)
        if held is not None and only_new:
            return
        change = {
            "at_ms": int(time.time() * 1e3),
            "by": by,
            "model": model,
            "alias": alias,
            "from": None if held is None else orjson.loads(held),
            "to": to,
            "reason": "",
            "forced": False,
        }
        pipeline.multi()
        pipeline.hset(keys.ALIASES, name, encode_alias(to))
        pipeline.xadd(keys.CHANGES, {"c": orjson.dumps(change)}, maxlen=CHANGES_KEPT, approximate=True)
        pipeline.publish(keys.ALIASES_CHANNEL, name)

    client.transaction(decide, keys.ALIASES)


def promote(settings: Settings, model: str, version: int) -> str | None:
    """Ask the API to make it the champion. None once it has, else why not. Blocks for PROMOTE_TIMEOUT_S at the most."""
    base = settings.trainer_api_url or f"http://{settings.api_host}:{settings.api_port}"
    headers = {"Content-Type": "application/json"}
    if settings.trainer_api_key:
        headers["X-API-Key"] = settings.trainer_api_key
    request = urllib.request.Request(  # noqa: S310  # a setting, http or https
        f"{base}/models/{model}/aliases/{CHAMPION}",
        data=json.dumps({"version": version}).encode(),
        headers=headers,
        method="POST",
    )
    try:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=PROMOTE_TIMEOUT_S):
            return None
    except urllib.error.HTTPError as error:
        with error:
            return _refusal(error.code, error.read(MOST_ANSWER_BYTES), bool(settings.trainer_api_key))
    except (OSError, ValueError) as error:
        return f"the API at {base} does not answer: {error}"


def _refusal(status: int, body: bytes, has_key: bool) -> str:
    if status == 401 and not has_key:
        return "the API asks for an admin's key, and TRAINER_API_KEY is not set"
    try:
        return f"the API answered {status}: {json.loads(body)['detail']}"
    except (ValueError, KeyError, TypeError):
        return f"the API answered {status}"
