"""The check of REDIS_URL when a program starts."""

from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.config.values import without_credentials
from shared.errors import SettingError
from shared.redis import keys
from shared.redis.connection import worker_client
from shared.redis.errors import ConditionError, explain, meaning_of


def check_redis(settings: Settings) -> None:
    """Raises SettingError, in one sentence, if no Redis answers at REDIS_URL or if it refuses our login or commands.

    A Redis that answers may still refuse writes for a while. Programs start and wait for it. Blocks for up to 5 s.
    """
    try:
        with worker_client(settings, patient=False) as client:
            client.ping()
            client.execute_command(*keys.WRITE_CHECK)
    except (RedisError, OSError) as error:
        meaning = meaning_of(error)
        if isinstance(error, ConditionError) and meaning != "refuse":
            return
        reason = str(error) if meaning == "fail" else explain(error)
        advice = "; start it, or set REDIS_URL to one that runs" if meaning == "reconnect" else ""
        shown = without_credentials(settings.redis_url)
        raise SettingError(f"REDIS_URL={shown!r}: {reason.rstrip('.')}{advice}") from error
