"""The check of REDIS_URL when a program starts."""

from collections.abc import Sequence

from redis.exceptions import NoPermissionError, RedisError

from shared.config.settings import Settings
from shared.config.values import without_credentials
from shared.errors import SettingError
from shared.redis import keys
from shared.redis.clients import SyncClient
from shared.redis.connection import SOCKET_TIMEOUT_S, worker_client
from shared.redis.errors import ConditionError, explain, meaning_of
from shared.redis.permissions import REHEARSE, Program, find_refusal, rehearsal

TRANSACTION = (("WATCH", keys.REHEARSAL), ("MULTI",), ("EXEC",))


def check_redis(settings: Settings, *programs: Program) -> None:
    """Raises SettingError, in one sentence, if no Redis answers at REDIS_URL or if it refuses our login or commands.

    Each command that one of `programs` needs is tried. A Redis that answers may still refuse writes for a while.
    Programs start and wait for it. Blocks for up to 5 s.
    """
    try:
        with worker_client(settings, patient=False) as client:
            client.ping()
            client.execute_command(*keys.WRITE_CHECK)
            if programs:
                _try_all(client, programs)
    except (RedisError, OSError) as error:
        meaning = meaning_of(error)
        if isinstance(error, ConditionError) and meaning != "refuse":
            return
        reason = str(error) if meaning == "fail" else explain(error)
        if isinstance(error, NoPermissionError):
            reason = f"{reason}: {error}"
        advice = "; start it, or set REDIS_URL to one that runs" if meaning == "reconnect" else ""
        shown = without_credentials(settings.redis_url)
        raise SettingError(f"REDIS_URL={shown!r}: {reason.rstrip('.')}{advice}") from error


def _try_all(client: SyncClient, programs: Sequence[Program]) -> None:
    """Raise NoPermissionError for the first command that is refused. Other errors of a command are raised, too."""
    for program in programs:
        if refusal := find_refusal(client.eval(*rehearsal(program))):
            raise refusal
    for command in (
        ("SCRIPT", "LOAD", REHEARSE.source),
        ("EVALSHA", REHEARSE.sha, 1, keys.REHEARSAL, ""),
        *TRANSACTION,
    ):
        client.execute_command(*command)
    with client.pubsub() as pubsub:
        pubsub.subscribe(keys.reply_channel("rehearsal"))
        pubsub.get_message(timeout=SOCKET_TIMEOUT_S)
