import dataclasses
import os
from pathlib import Path
from typing import Any

import pytest

from shared.config.api_keys import ApiKey
from shared.config.settings import Settings, engine_threads, load_settings
from shared.errors import SettingError

FIELDS = [field.name for field in dataclasses.fields(Settings)]
SECRET = {"api_keys", "webhook_secret", "trainer_api_key", "door_key"}  # never shown
NO_FILE = Path("no/such/file")

# For each setting: a valid text, its value, and invalid texts.
TABLE: dict[str, tuple[str, Any, list[str]]] = {
    "redis_url": (
        "rediss://user:secret@[::1]:6380/2",
        "rediss://user:secret@[::1]:6380/2",
        [
            "localhost:6379",
            "http://localhost",
            "redis://",
            "redis:///0",
            "redis://h:0",
            "redis://h:x",
            "redis://h:70000",
            "redis://h:1/queue",
            "redis://h:1/-1",
            "redis://h:1/0/1",
            "rediss://h:1/0?ssl_cert_reqs=CERT_REQUIRED",
            "rediss://h:1/0?ssl_ca_certs=/no/such/file.pem",
            "sentinel://h",
            "sentinels://h:1/digits?ssl_ca_certs=/no/such/file.pem",
        ],
    ),
    "redis_server": ("/usr/bin/redis-server", Path("/usr/bin/redis-server"), []),
    "api_host": ("10.0.0.7", "10.0.0.7", [" "]),
    "api_port": ("8080", 8080, ["0", "65536", "-1", "http", "80.0"]),
    "allowed_hosts": (
        "Digits.Example., 10.0.0.7 [::1],*",
        ("digits.example", "10.0.0.7", "::1", "*"),
        [",", "https://digits.example", "digits.example:443", "a/b"],
    ),
    "cors_origins": (
        "https://App.example:443,http://localhost:3000 null *",
        ("https://app.example", "http://localhost:3000", "null", "*"),
        [",", "app.example", "https://app.example/", "https://a?b", "https://*.example"],
    ),
    "flower_host": ("::1", "::1", [" "]),
    "flower_port": ("65535", 65535, ["0", "65536", "x"]),
    "flower_url_prefix": ("tools/flower", "tools/flower", ["/flower", "flower/", "a b", "a//b"]),
    "metrics_host": ("::", "::", [" "]),
    "metrics_port": ("0", 0, ["-1", "65536", "x"]),
    "log_level": ("debug", "debug", ["DEBUG", "trace", " info"]),
    "log_format": ("json", "json", ["JSON", "plain"]),
    "log_slow_ms": ("2.5", 2.5, ["-1", "nan", "1 s"]),
    "otel_exporter_otlp_endpoint": ("http://collector:4318/", "http://collector:4318", ["collector:4318", "grpc://c"]),
    "data_dir": ("data", Path("data"), []),
    "models_dir": ("/srv/models", Path("/srv/models"), []),
    "models_cache_dir": ("/var/cache/models", Path("/var/cache/models"), []),
    "default_model": ("cnn@3", "cnn@3", ["\t"]),
    "alias_wait_s": ("0", 0.0, ["-1", "3601", "nan"]),
    "mnist_dir": ("data/mnist", Path("data/mnist"), []),
    "mnist_mirrors": ("http://a/x/ https://b", "http://a/x https://b", ["ftp://a", "http://a b"]),
    "engine": ("litert", "litert", ["torch", "Auto"]),
    "engine_threads": ("256", 256, ["-1", "257", "all"]),
    "max_batch_images": ("4096", 4096, ["0", "4097", "1e3"]),
    "max_batch_ms": ("2.5", 2.5, ["0", "0.9", "60001", "nan", "inf", "50 ms"]),
    "max_loaded_models": ("2", 2, ["1", "1001", "all"]),
    "max_loaded_bytes": ("1048576", 1 << 20, ["1048575", "1e9", "all"]),
    "model_idle_s": ("0.1", 0.1, ["0", "nan", "10 min"]),
    "max_attempts": ("1", 1, ["0", "101"]),
    "engine_stall_s": ("0.5", 0.5, ["0.4", "3601", "nan"]),
    "max_dead_letters": ("1", 1, ["0", "10000001"]),
    "lease_ms": ("500", 500, ["499", "3600001", "1.5"]),
    "format_wait_s": ("1", 1.0, ["0", "86401", "nan"]),
    "interactive_entry_images": ("1", 1, ["0", "4097"]),
    "bulk_entry_images": ("4096", 4096, ["0", "4097"]),
    "max_queued_interactive_images": ("1000000000", 10**9, ["0", "1000000001"]),
    "max_queued_interactive_bytes": ("1024", 1024, ["1023", "1e6"]),
    "max_queued_bulk_images": ("1", 1, ["0", "1000000001"]),
    "max_queued_bulk_bytes": ("1024", 1024, ["1023", "1 GiB"]),
    "max_waiting_singles": ("1", 1, ["0", "1000001"]),
    "max_image_bytes": ("1", 1, ["0", "1073741825", "1MB"]),
    "max_fit_pixels": ("1000000", 1_000_000, ["0", "134217729"]),
    "max_upload_bytes": ("1099511627776", 1 << 40, ["0", "1099511627777"]),
    "max_job_images": ("10", 10, ["0", "1000000001"]),
    "max_unpack_ratio": ("2", 2, ["1", "1000001"]),
    "max_decoding_pixels": ("65536", 1 << 16, ["65535", "all"]),
    "max_json_bytes": ("1024", 1024, ["1023", "33554433", "8M"]),
    "max_held_body_bytes": ("1048576", 1 << 20, ["1000", "x"]),
    "max_watchers": ("1", 1, ["0", "1000001"]),
    "max_connections": ("1", 1, ["0", "1000001"]),
    "head_timeout_s": ("0.1", 0.1, ["0", "3601", "nan"]),
    "body_timeout_s": ("0.1", 0.1, ["0", "3601", "nan"]),
    "upload_stall_s": ("0.01", 0.01, ["0", "3601", "nan"]),
    "sync_wait_s": ("3600", 3600.0, ["0", "-1", "3600.1", "30s"]),
    "max_wait_s": ("1e2", 100.0, ["0.009", "inf"]),
    "result_ttl_s": ("1", 1, ["0", "100000001", "1.5"]),
    "single_result_ttl_s": ("60", 60, ["0", "100000001"]),
    "worker_ttl_s": ("2", 2, ["1", "3601"]),
    "queue_stall_s": ("0.5", 0.5, ["0.4", "3601", "nan"]),
    "api_keys": (f"ops:{'a' * 64}:admin", (ApiKey("ops", "a" * 64, admin=True),), ["ops", f"ops:{'a' * 64}:root"]),
    "webhook_secret": ("0123456789abcdef", "0123456789abcdef", ["0123456789abcde"]),
    "webhook_allow_private": ("1", True, ["maybe"]),
    "webhook_timeout_s": ("0.1", 0.1, ["0", "601", "nan"]),
    "webhook_attempts": ("1", 1, ["0", "101"]),
    "door_url": ("http://api:5000", "http://api:5000", [" "]),
    "door_key": ("a key", "a key", [" "]),
    "door_redelivery_s": ("1", 1, ["0", "86401"]),
    "max_trainings": ("1", 1, ["0", "1001"]),
    "training_ttl_s": ("60", 60, ["59", "100000001"]),
    "trainer_dir": ("/srv/trainings", Path("/srv/trainings"), []),
    "trainer_threads": ("256", 256, ["-1", "257"]),
    "trainer_nice": ("0", 0, ["-1", "20"]),
    "trainer_api_url": ("https://api:5000/", "https://api:5000", ["api:5000", "ftp://api", "http://", "http://h:x"]),
    "trainer_api_key": ("some-key", "some-key", ["\t"]),
}


def test_every_setting_is_in_the_table_of_this_test() -> None:
    assert list(TABLE) == FIELDS


def test_without_an_environment_every_setting_has_its_default() -> None:
    assert load_settings({}, NO_FILE) == Settings()


@pytest.mark.parametrize("name", FIELDS)
def test_a_setting_is_read_from_the_variable_of_its_name(name: str) -> None:
    text, expected, _ = TABLE[name]
    value = getattr(load_settings({name.upper(): text}, NO_FILE), name)
    assert (value, type(value)) == (expected, type(expected))
    assert value != getattr(Settings(), name)
    assert load_settings({name: text}, NO_FILE) == Settings()


@pytest.mark.parametrize(("name", "text"), [(name, text) for name in FIELDS for text in TABLE[name][2]])
def test_an_invalid_value_is_refused_with_its_name(name: str, text: str) -> None:
    with pytest.raises(SettingError) as refused:
        load_settings({name.upper(): text}, NO_FILE)
    shown = "…" if name in SECRET else text
    start, _, reason = str(refused.value).partition(f"{name.upper()}={shown!r}: ")
    assert (start, bool(reason)) == ("", True)


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("MAX_BATCH_MS", "0", "expected 1 to 60000 ms"),
        ("MAX_WAIT_S", "0", "expected 0.01 to 3600 s"),
        ("API_PORT", "0", "expected 1 to 65535"),
        ("LOG_LEVEL", "loud", "expected one of debug, info, warning, error"),
        ("REDIS_URL", "rediss://h:1/0?ssl_ca_certs=/no/ca.pem", "ssl_ca_certs names /no/ca.pem, which does not exist"),
        ("REDIS_URL", "rediss://h:1/0?ssl_cert_reqs=yes", "expected ssl_cert_reqs to be required, optional or none"),
        ("REDIS_URL", "localhost", r"expected redis://\[user:password@\]host:port/db, rediss://"),
    ],
)
def test_an_error_says_what_was_expected(name: str, text: str, reason: str) -> None:
    with pytest.raises(SettingError, match=reason):
        load_settings({name: text}, NO_FILE)


def test_every_default_is_a_valid_value() -> None:
    without = {"redis_server", "data_dir", "mnist_dir", "api_keys", "webhook_secret", "door_key"}
    without |= {"allowed_hosts", "cors_origins"}
    defaults = {name.upper(): str(getattr(Settings(), name)) for name in FIELDS if name not in without}
    assert load_settings(defaults, NO_FILE) == Settings()


@pytest.mark.parametrize("name", FIELDS)
def test_an_empty_variable_means_the_default(name: str) -> None:
    assert load_settings({name.upper(): ""}, NO_FILE) == Settings()


def test_other_variables_are_ignored() -> None:
    assert load_settings({"PATH": "/bin", "API_PORTS": "x", "MNISTIFIED_API_PORT": "1"}, NO_FILE) == Settings()


def test_settings_are_frozen_and_keyword_only() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().api_port = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        Settings("redis://localhost")  # type: ignore[call-arg]


@pytest.mark.parametrize("name", FIELDS)
def test_every_setting_has_a_description(name: str) -> None:
    field = next(field for field in dataclasses.fields(Settings) if field.name == name)
    assert len(field.metadata["doc"]) > 5


def test_neither_an_error_nor_the_settings_show_a_secret() -> None:
    with pytest.raises(SettingError) as refused:
        load_settings({"WEBHOOK_SECRET": "hunter2"}, NO_FILE)
    assert "hunter2" not in str(refused.value)
    settings = load_settings({"WEBHOOK_SECRET": "hunter2-hunter2-hunter2"}, NO_FILE)
    assert settings.webhook_secret
    assert "hunter2" not in repr(settings)


def test_an_error_shows_no_password_of_a_url() -> None:
    with pytest.raises(SettingError, match="REDIS_URL='http://…@host'") as caught:
        load_settings({"REDIS_URL": "http://me:hunter2@host"})
    assert "hunter2" not in str(caught.value)


def test_without_redis_url_the_address_of_the_running_system_is_used(tmp_path: Path) -> None:
    file = tmp_path / "redis-url"
    file.write_text("redis://127.0.0.1:7777/0\n")
    assert load_settings({}, file).redis_url == "redis://127.0.0.1:7777/0"
    assert load_settings({"REDIS_URL": ""}, file).redis_url == "redis://127.0.0.1:7777/0"
    assert load_settings({"REDIS_URL": "redis://other:1/0"}, file).redis_url == "redis://other:1/0"


@pytest.mark.parametrize("content", ["", "\n", "localhost:6379"])
def test_a_file_without_an_address_is_refused_with_its_name(tmp_path: Path, content: str) -> None:
    file = tmp_path / "redis-url"
    file.write_text(content)
    with pytest.raises(SettingError, match=f"{file}: expected redis://"):
        load_settings({}, file)


def test_0_threads_mean_the_cores_of_this_process() -> None:
    assert engine_threads(Settings()) == len(os.sched_getaffinity(0))
    assert engine_threads(Settings(engine_threads=3)) == 3
