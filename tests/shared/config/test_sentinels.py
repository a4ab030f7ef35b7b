from typing import Any

import pytest

from shared.config.sentinels import parse_sentinels
from shared.config.settings import Settings
from worker.app import make_app


@pytest.mark.parametrize("url", ["redis://h:6379/0", "rediss://:secret@h/2?ssl_cert_reqs=none"])
def test_the_url_of_a_redis_server_names_no_sentinels(url: str) -> None:
    assert parse_sentinels(url) is None


@pytest.mark.parametrize(
    ("url", "hosts", "service", "options", "own_options"),
    [
        ("sentinel://h/digits", (("h", 26379),), "digits", {"db": 0}, {}),
        (
            "sentinel://a:1,[::1]:2,c/digits/3",
            (("a", 1), ("::1", 2), ("c", 26379)),
            "digits",
            {"db": 3},
            {},
        ),
        (
            "sentinel://me:p%2Fw%40@h/m?sentinel_username=you&sentinel_password=x%26y",
            (("h", 26379),),
            "m",
            {"db": 0, "username": "me", "password": "p/w@"},
            {"username": "you", "password": "x&y"},
        ),
        (
            "sentinels://:pw@h/m?ssl_cert_reqs=none",
            (("h", 26379),),
            "m",
            {"db": 0, "password": "pw", "ssl": True, "ssl_cert_reqs": "none"},
            {"ssl": True, "ssl_cert_reqs": "none"},
        ),
    ],
)
def test_hosts_service_and_the_options_of_master_and_sentinels(
    url: str, hosts: Any, service: str, options: Any, own_options: Any
) -> None:
    found = parse_sentinels(url)
    assert found is not None
    assert (found.hosts, found.service, found.options, found.own_options) == (hosts, service, options, own_options)


def test_no_secret_is_shown() -> None:
    shown = repr(parse_sentinels("sentinel://me:hunter2@h/m?sentinel_password=hunter3"))
    assert "hunter" not in shown


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("sentinel://h", "expected sentinel://"),
        ("sentinel:///digits", "expected sentinel://"),
        ("sentinel://a,/digits", "expected sentinel://"),
        ("sentinel://h:0/digits", "expected sentinel://"),
        ("sentinel://h/digits/x", "expected sentinel://"),
        ("sentinel://h:x/digits", "'x'"),
        ("sentinel://h/digits?sentinel_pasword=x", "unknown option sentinel_pasword"),
    ],
)
def test_an_invalid_url_is_refused_with_a_reason(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_sentinels(url)


def test_celery_gets_the_url_in_the_form_of_kombu() -> None:
    conf = make_app(Settings(redis_url="sentinels://me:p%2Fw@a:1,[::1]:2/digits/3?sentinel_password=x")).conf
    assert conf.broker_url == "sentinel://me:p%2Fw@a:1/3;sentinel://me:p%2Fw@[::1]:2/3"
    assert conf.result_backend == conf.broker_url
    for options in (conf.broker_transport_options, conf.result_backend_transport_options):
        assert options["master_name"] == "digits"
        assert options["sentinel_kwargs"].items() >= {"password": "x", "ssl": True}.items()
    assert conf.broker_use_ssl == conf.redis_backend_use_ssl == {"ssl_cert_reqs": "required"}
