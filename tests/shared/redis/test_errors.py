from contextlib import ExitStack

import pytest
from redis import exceptions

from shared.config.settings import load_settings
from shared.redis.connection import worker_client
from shared.redis.errors import CONDITIONS, ConditionError, Meaning, ends_connection, explain, meaning_of, parse_error
from tests.support.bad_redis import BadRedis, later

SHA = "fa5bf0979d152ae33e827c6f9d26ce1fec411d30"
WRAPPED = f"ERR Error running script (call to f_{SHA}): @user_script:1: @user_script: 1: -"  # Redis 6.2
UNBLOCKED = "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)"
REPLICA = "You can't write against a read only replica."
DISK = "Errors writing to the AOF file: No space left on device"


@pytest.mark.parametrize(
    ("text", "code", "meaning"),
    [
        (f"READONLY {REPLICA}", "READONLY", "reconnect"),
        (f"READONLY {REPLICA} script: {SHA}, on @user_script:1.", "READONLY", "reconnect"),  # Redis 7
        (f"READONLY {REPLICA} script: on @user_script:1.", "READONLY", "reconnect"),  # Valkey 9
        (f"{WRAPPED}READONLY {REPLICA}", "READONLY", "reconnect"),
        (UNBLOCKED, "UNBLOCKED", "reconnect"),
        ("MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.", "MASTERDOWN", "reconnect"),
        (f"MISCONF {DISK}", "MISCONF", "wait"),
        (f"{WRAPPED}MISCONF {DISK}", "MISCONF", "wait"),
        ("OOM command not allowed when used memory > 'maxmemory'. script: on @user_script:1.", "OOM", "wait"),
        ("BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.", "BUSY", "wait"),
        ("LOADING Redis is loading the dataset in memory", "LOADING", "wait"),
        ("NOREPLICAS Not enough good replicas to write.", "NOREPLICAS", "wait"),
        ("CLUSTERDOWN Hash slot not served", "CLUSTERDOWN", "wait"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "TRYAGAIN", "wait"),
        ("NOAUTH HELLO must be called with the client already authenticated", "NOAUTH", "refuse"),
        ("WRONGPASS invalid username-password pair or user is disabled.", "WRONGPASS", "refuse"),
        ("DENIED Redis is running in protected mode because protected mode is enabled", "DENIED", "refuse"),
    ],
)
def test_a_condition_that_passes_is_recognized_in_the_words_of_each_server(
    text: str, code: str, meaning: Meaning
) -> None:
    error = parse_error(text)
    assert isinstance(error, ConditionError)
    assert isinstance(error, exceptions.ConnectionError), "redis-py and Celery connect again"
    assert (error.code, meaning_of(error)) == (code, meaning)
    assert explain(error) == f"Redis is unavailable: {CONDITIONS[code][1]} ({code})"


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("ERR invalid password", "refuse"),
        ("MOVED 1234 10.0.0.1:6379", "refuse"),
        ("CROSSSLOT Keys in request don't hash to the same slot", "refuse"),
        ("ERR max number of clients reached", "reconnect"),
        ("WRONGTYPE Operation against a key holding the wrong kind of value script: on @user_script:1.", "fail"),
        (f"ERR Error running script (call to f_{SHA}): @user_script:1: WRONGTYPE Operation against a key", "fail"),
        ("NOSCRIPT No matching script. Please use EVAL.", "fail"),
        ("NOGROUP No such key or consumer group", "fail"),
        ("BUSYGROUP Consumer Group name already exists", "fail"),
        ("ERR value is not an integer or out of range script: on @user_script:1.", "fail"),
    ],
)
def test_other_errors_are_refusals_or_faults_of_one_command(text: str, meaning: Meaning) -> None:
    error = parse_error(text)
    assert meaning_of(error) == meaning
    if meaning != "reconnect":
        assert "script" not in explain(error)
        assert "WRONGTYPE" not in explain(error)


@pytest.mark.parametrize(
    "text",
    [
        "NOPERM this user has no permissions to run the 'set' command or its subcommand",  # Redis 6.2
        "NOPERM User service has no permissions to run the 'set' command",
        "NOPERM No permissions to access a key",
        f"ERR Error running script (call to f_{SHA}): @user_script:1: @user_script: 1: The user executing the script "
        "can't run this command or subcommand",  # Redis 6.2
        "ERR ACL failure in script: User x has no permissions to run the 'set' command script: on @user_script:6.",
        "ERR unknown command 'XREADGROUP', with args beginning with: 'GROUP'",  # renamed, or an old server
        "ERR Unknown Redis command called from script script: on @user_script:1.",
        f"ERR Error running script (call to f_{SHA}): @user_script:1: Unknown Redis command called from Lua script",
    ],
)
def test_a_command_without_permission_is_recognized_in_the_words_of_each_server(text: str) -> None:
    error = parse_error(text)
    assert isinstance(error, exceptions.NoPermissionError), "redis-py ignores it for CLIENT SETINFO"
    assert meaning_of(error) == "refuse"
    assert not ends_connection(error)
    assert explain(error) == f"Redis is unavailable: {CONDITIONS['NOPERM'][1]} (NOPERM)"


def test_a_connection_ends_with_its_login_and_its_master() -> None:
    assert ends_connection(parse_error("NOAUTH Authentication required."))
    assert ends_connection(parse_error(f"READONLY {REPLICA}"))
    assert not ends_connection(parse_error("LOADING Redis is loading the dataset in memory"))
    assert not ends_connection(parse_error("ERR syntax error"))


def test_lost_connections_are_made_again() -> None:
    for error in (exceptions.ConnectionError("lost"), exceptions.TimeoutError("late"), ConnectionResetError("reset")):
        assert meaning_of(error) == "reconnect"
        assert explain(error) == f"Redis is unreachable: {error}"


@pytest.mark.parametrize("code", ["READONLY", "MISCONF", "NOREPLICAS", "OOM", "BUSY", "NOAUTH", "NOPERM"])
def test_a_patient_client_waits_for_the_end_of_each_condition(bad_redis: BadRedis, code: str) -> None:
    client = worker_client(load_settings({"REDIS_URL": bad_redis.url}), patient=True)
    hasty = worker_client(load_settings({"REDIS_URL": bad_redis.url}), patient=False)
    with ExitStack() as condition:
        condition.enter_context(bad_redis.conditions()[code]())
        with pytest.raises(exceptions.RedisError) as raised:
            hasty.set("key", 1, px=1000)
        assert raised.value.status_code == code
        pipeline = hasty.pipeline()
        pipeline.set("key", 1, px=1000)
        pipeline.set("other", 1, px=1000)
        with pytest.raises(exceptions.RedisError):
            pipeline.execute()
        ending = later(0.1, condition.pop_all().close)
        assert client.set("key", 1, px=1000)
        ending.join()
    assert hasty.set("key", 1, px=1000)
    client.close()
    hasty.close()
