import pytest
from redis import Redis

from deploy.processes import free_port
from shared.config.settings import Settings
from shared.errors import SettingError
from shared.redis.reachable import check_redis
from tests.support.system import RedisServer


def test_a_redis_that_answers_is_accepted_even_if_it_is_busy(redis_server: RedisServer) -> None:
    url = redis_server.new_url()
    check_redis(Settings(redis_url=url))
    with Redis.from_url(url) as client:
        client.config_set("min-replicas-to-write", "1")
        try:
            check_redis(Settings(redis_url=url))
        finally:
            client.config_set("min-replicas-to-write", "0")


@pytest.mark.parametrize("scheme", ["redis://:secret@127.0.0.1:{port}/0", "sentinel://:secret@127.0.0.1:{port}/m/0"])
def test_a_redis_that_is_not_there_is_named_without_its_password(scheme: str) -> None:
    url = scheme.format(port=free_port())
    with pytest.raises(
        SettingError, match=r"REDIS_URL='.*//…@127.*Redis is unreachable: .*; start it, or set"
    ) as raised:
        check_redis(Settings(redis_url=url))
    assert "secret" not in str(raised.value)


def test_a_wrong_password_is_named_as_such(redis_server: RedisServer) -> None:
    url = redis_server.new_url().replace("//", "//someone:wrong@")
    with pytest.raises(SettingError, match=r"refuses the service's login: correct the user or password in REDIS_URL"):
        check_redis(Settings(redis_url=url))


def test_a_user_without_permission_to_write_is_named_as_such(redis_server: RedisServer) -> None:
    url = redis_server.new_url()
    with Redis.from_url(url) as client:
        client.acl_setuser("reader", enabled=True, nopass=True, keys=["*"], commands=["+@all", "-@write"])
        try:
            with pytest.raises(SettingError, match="correct the permissions of its user"):
                check_redis(Settings(redis_url=url.replace("//", "//reader:any@")))
        finally:
            client.acl_deluser("reader")


@pytest.mark.parametrize(
    ("permissions", "missing"),
    [
        ({"commands": ["+@all", "-publish"]}, "its user needs PUBLISH"),
        ({"commands": ["+@all", "-xautoclaim"]}, "its user needs XAUTOCLAIM"),
        ({"commands": ["+@all", "-subscribe"]}, "'subscribe' command"),
        ({"commands": ["+@all", "-multi"]}, "'multi' command"),
        ({"commands": ["+@all", "-evalsha"]}, "'evalsha' command"),
        ({"commands": ["+@all"], "channels": ["other"]}, "its user needs PUBLISH"),
    ],
)
def test_a_missing_permission_is_named(
    redis_server: RedisServer, permissions: dict[str, list[str]], missing: str
) -> None:
    url = redis_server.new_url()
    with Redis.from_url(url) as client:
        client.acl_setuser(
            "service", **{"enabled": True, "nopass": True, "keys": ["*"], "channels": ["*"]} | permissions
        )
        try:
            with pytest.raises(SettingError, match=f"correct the permissions of its user .NOPERM.: .*{missing}"):
                check_redis(Settings(redis_url=url.replace("//", "//service:any@")), "api", "worker")
        finally:
            client.acl_deluser("service")


def test_a_database_that_does_not_exist_is_named(redis_server: RedisServer) -> None:
    url = redis_server.new_url().rpartition("/")[0] + "/99"
    with pytest.raises(SettingError, match=r"DB index is out of range$"):
        check_redis(Settings(redis_url=url))
