"""A trainer's changes of aliases: it sets `candidate` itself, and promotes through the API."""

from redis.exceptions import WatchError

from mnistified import Client as ApiClient
from mnistified import ServiceError, Unreachable
from shared.config.settings import Settings
from shared.contract.alias import ALIAS_CODEC, CHAMPION, CHANGE_CODEC, CHANGES_KEPT, Alias, AliasChange, readable_alias
from shared.redis import keys
from shared.redis.clients import SyncClient, SyncPipeline

CANDIDATE = "candidate"
MAX_TRIES = 5  # attempts at a change while other changes interrupt it
PROMOTE_TIMEOUT_S = 90.0  # workers load and warm the version before the API answers


def champion_of(client: SyncClient, model: str, versions: list[int]) -> int | None:
    """Return the version that the name alone means: its champion, else its latest version, else None."""
    data = client.hget(keys.ALIASES, f"{model}/{CHAMPION}")
    if data is not None:
        return ALIAS_CODEC.decode(data).version
    return versions[-1] if versions else None


def set_alias(client: SyncClient, model: str, alias: str, version: int, by: str, *, only_new: bool = False) -> None:
    """Set and record an alias as `api/versions/promotion.py` does. With `only_new`, an existing alias stays.

    Raises RedisError.
    """
    with client.pipeline() as pipeline:
        for tries_left in reversed(range(MAX_TRIES)):
            try:
                _try_to_set(pipeline, model, alias, version, by, only_new)
                return
            except WatchError:  # somebody else changed an alias, or the connection was lost
                if not tries_left:
                    raise


def _try_to_set(pipeline: SyncPipeline, model: str, alias: str, version: int, by: str, only_new: bool) -> None:
    """Set the alias, unless any alias changes meanwhile. Raises WatchError and RedisError."""
    pipeline.watch(keys.ALIASES)
    previous = pipeline.hget(keys.ALIASES, f"{model}/{alias}")
    if previous is not None and only_new:
        return
    seconds, microseconds = pipeline.time()
    change = AliasChange(
        at_ms=seconds * 1000 + microseconds // 1000,
        by=by,
        model=model,
        alias=alias,
        before=readable_alias(previous),
        after=Alias(version),
    )
    pipeline.multi()
    pipeline.hset(keys.ALIASES, change.field, ALIAS_CODEC.encode(Alias(version)))
    pipeline.xadd(keys.CHANGES, {"c": CHANGE_CODEC.encode(change)}, maxlen=CHANGES_KEPT, approximate=True)
    pipeline.publish(keys.ALIASES_CHANNEL, change.field)
    pipeline.execute()


def promote(settings: Settings, model: str, version: int) -> str | None:
    """Make `version` the champion through the API, for PROMOTE_TIMEOUT_S at most. Return a failure's reason."""
    url = settings.trainer_api_url or f"http://{settings.api_host}:{settings.api_port}"
    key = settings.trainer_api_key
    try:
        with ApiClient(url, key, timeout_s=PROMOTE_TIMEOUT_S, retries=0, trust_env=False) as api:
            api.set_alias(model, CHAMPION, version)
    except Unreachable as error:
        return f"the API does not answer: {error}"
    except ServiceError as error:
        if error.status == 401 and not key:
            return "the API requires an admin's key, and TRAINER_API_KEY is not set"
        return f"the API answered {error.status}: {error.detail}"
    return None
