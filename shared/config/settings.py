"""Every setting of the service: one frozen object, read once, from an environ that is passed in."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from shared.config.api_keys import ApiKey, parse_api_keys
from shared.config.values import (
    Parse,
    folder_or_url,
    http_url,
    integer,
    number,
    one_of,
    redis_address,
    signing_secret,
    some_text,
    url_prefix,
    without_credentials,
    yes_or_no,
)
from shared.errors import SettingError

RUN_DIR = Path(".run")
REDIS_URL_FILE = RUN_DIR / "redis-url"


def _setting(default: Any, parse: Parse, doc: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc, "secret": secret}, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field per environment variable of the same name in capitals; `doc` is in docs/settings.md."""

    redis_url: str = _setting("redis://127.0.0.1:6379/0", redis_address, "Redis: queue, results, Celery's broker")
    api_host: str = _setting("127.0.0.1", some_text, "address the API binds to")
    api_port: int = _setting(5000, integer(1, 65535), "port of the API")
    flower_host: str = _setting("127.0.0.1", some_text, "address Flower binds to")
    flower_port: int = _setting(5555, integer(1, 65535), "port of Flower")
    flower_url_prefix: str = _setting(
        "", url_prefix, "path under which a proxy has Flower, as `flower`; none: the root"
    )
    metrics_host: str = _setting("127.0.0.1", some_text, "address a worker's metrics bind to")
    metrics_port: int = _setting(
        5001, integer(0, 65535), "port of a worker's metrics, or the next one that is free; 0: no metrics"
    )
    log_level: str = _setting("info", one_of("debug", "info", "warning", "error"), "least level logged")
    log_format: str = _setting(
        "auto", one_of("auto", "json", "text"), "a JSON object a line, or text; auto: text on a terminal"
    )
    log_slow_ms: float = _setting(1000.0, number(0, 1e9, "ms"), "requests and batches that take longer are logged")
    otel_exporter_otlp_endpoint: str = _setting(
        "", http_url, "where traces go over OTLP/HTTP, as `http://collector:4318`; none: nothing is traced"
    )
    data_dir: Path | None = _setting(
        None,
        Path,
        "folder of all that `mnistified serve` writes; none: `mnistified` in the user's data, `~/.local/share`",
    )

    models_dir: Path | str = _setting(Path("models"), folder_or_url, "the model registry: a folder, or an fsspec URL")
    models_cache_dir: Path = _setting(
        RUN_DIR / "models", Path, "where versions are kept of a `MODELS_DIR` that is a URL"
    )
    default_model: str = _setting(
        "cnn", some_text, "model of requests that name none: `name`, `name@version` or `name@alias`"
    )
    alias_wait_s: float = _setting(
        30.0, number(0, 3600, "s"), "how long a change of an alias waits for the workers, unless `?wait=` says"
    )
    mnist_dir: Path | None = _setting(None, Path, "folder of the four MNIST files")

    engine: str = _setting("auto", one_of("auto", "litert", "tensorflow"), "what runs the model")
    engine_threads: int = _setting(
        0, integer(0, 256), "engines of one thread each that a worker runs at a time; 0: one per core"
    )
    max_batch_images: int = _setting(256, integer(1, 4096), "most images of one batch")
    max_batch_ms: float = _setting(20.0, number(1, 60_000, "ms"), "longest that one batch may take")
    max_loaded_models: int = _setting(8, integer(2, 1000), "versions that a worker has loaded at most")
    model_idle_s: float = _setting(
        600.0, number(0.1, 1e7, "s"), "unused for so long, a version that no alias names is unloaded"
    )
    max_attempts: int = _setting(3, integer(1, 100), "workers that one image may kill before it is set aside")
    engine_stall_s: float = _setting(
        30.0, number(0.5, 3600, "s"), "a worker whose model runs for so long without an answer ends itself"
    )
    max_dead_letters: int = _setting(10_000, integer(1, 10**7), "images set aside that are kept, the newest ones")
    lease_ms: int = _setting(10_000, integer(500, 3_600_000), "unrenewed for so long, an entry is taken over")

    interactive_entry_images: int = _setting(32, integer(1, 4096), "most single images joined into an entry")
    bulk_entry_images: int = _setting(256, integer(1, 4096), "images of a job in one entry")
    max_queued_interactive_images: int = _setting(
        20_000, integer(1, 10**9), "singles queued beyond which 429 is answered"
    )
    max_queued_interactive_bytes: int = _setting(
        64 << 20, integer(1 << 10, 1 << 40), "bytes of singles queued beyond which 429 is answered"
    )
    max_queued_bulk_images: int = _setting(
        500_000, integer(1, 10**9), "images of jobs queued beyond which uploads wait, then get 429"
    )
    max_queued_bulk_bytes: int = _setting(
        1 << 30, integer(1 << 10, 1 << 40), "bytes of jobs queued beyond which uploads wait, then get 429"
    )
    max_waiting_singles: int = _setting(
        256, integer(1, 10**6), "synchronous requests that one API process lets wait; more get 429"
    )

    max_image_bytes: int = _setting(1 << 20, integer(1, 1 << 30), "largest image file")
    max_fit_pixels: int = _setting(1 << 24, integer(1, 1 << 27), "most pixels of a picture for `?fit=digit`")
    max_upload_bytes: int = _setting(1 << 30, integer(1, 1 << 40), "largest bulk body, also once unpacked")
    max_job_images: int = _setting(1_000_000, integer(1, 10**9), "most images of one job")
    max_unpack_ratio: int = _setting(
        200, integer(2, 10**6), "unpacked over packed size of an upload beyond which it is refused"
    )
    max_watchers: int = _setting(
        256, integer(1, 10**6), "streams of a result's events that one API process holds open; more get 429"
    )
    max_connections: int = _setting(4096, integer(1, 10**6), "connections of one API process; more get 503")
    head_timeout_s: float = _setting(10.0, number(0.1, 3600, "s"), "longest that a request's head may take to come")
    body_timeout_s: float = _setting(30.0, number(0.1, 3600, "s"), "longest that a body may pause")
    upload_stall_s: float = _setting(30.0, number(0.01, 3600, "s"), "longest that an upload waits for room")

    sync_wait_s: float = _setting(30.0, number(0.01, 3600, "s"), "longest that a synchronous request waits")
    max_wait_s: float = _setting(60.0, number(0.01, 3600, "s"), "longest `?wait=`")
    result_ttl_s: int = _setting(86_400, integer(1, 10**8), "how long a job and its results are kept")
    single_result_ttl_s: int = _setting(300, integer(1, 10**8), "how long a synchronous result is kept")
    worker_ttl_s: int = _setting(10, integer(2, 3600), "silent for so long, a worker counts as away")
    queue_stall_s: float = _setting(
        30.0, number(0.5, 3600, "s"), "not ready when the oldest queued image is older and no batch has ended since"
    )

    api_keys: tuple[ApiKey, ...] = _setting(
        (), parse_api_keys, "the API's clients: `name:sha256[:option…]` each; none: open to all", secret=True
    )
    webhook_secret: str = _setting(
        "", signing_secret, "signs callbacks; without it no `callback_url` is taken", secret=True
    )
    webhook_allow_private: bool = _setting(False, yes_or_no, "callbacks may go to private addresses")
    webhook_timeout_s: float = _setting(10.0, number(0.1, 600, "s"), "longest that one callback may take")
    webhook_attempts: int = _setting(8, integer(1, 100), "times that a callback is tried")
    door_url: str = _setting("http://127.0.0.1:5000", some_text, "the API, as the Celery door's worker reaches it")
    door_key: str = _setting("", some_text, "the key with which the Celery door's worker comes to the API", secret=True)
    door_redelivery_s: int = _setting(
        300, integer(1, 86_400), "after so long, and up to 10 s, a Celery task whose worker died is given to another"
    )

    max_trainings: int = _setting(10, integer(1, 1000), "trainings queued or running beyond which 429 is answered")
    training_ttl_s: int = _setting(
        2_592_000, integer(60, 10**8), "how long a training is kept after the last that was heard of it"
    )
    trainer_dir: Path = _setting(RUN_DIR / "trainings", Path, "where a trainer keeps what it has not published")
    trainer_threads: int = _setting(0, integer(0, 256), "threads of a training; 0: one for every two cores")
    trainer_nice: int = _setting(
        19, integer(0, 19), "niceness of trainings; 19: they also run only while a core is idle, where Linux lets them"
    )
    trainer_api_url: str = _setting(
        "", http_url, "the API that a trainer asks to promote; none: that of `API_HOST` and `API_PORT`"
    )
    trainer_api_key: str = _setting("", some_text, "an admin's key, for a trainer to promote with", secret=True)


def load_settings(environ: Mapping[str, str], redis_url_file: Path = REDIS_URL_FILE) -> Settings:
    """Read the settings out of `environ`; what is not there keeps its default.

    Without REDIS_URL, the address that a running `make run` left in `redis_url_file` is used where there is one.
    Raises SettingError, naming key and value, or that file, for the first that cannot be used.
    """
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        key = setting.name.upper()
        text = environ.get(key)
        if text is None or text == "":
            continue
        try:
            values[setting.name] = setting.metadata["parse"](text)
        except ValueError as error:
            shown = "…" if setting.metadata["secret"] else without_credentials(text)
            raise SettingError(f"{key}={shown!r}: {error}") from None
    if "redis_url" not in values and redis_url_file.is_file():
        try:
            values["redis_url"] = redis_address(redis_url_file.read_text().strip())
        except ValueError as error:
            raise SettingError(f"{redis_url_file}: {error}") from None
    return Settings(**values)


def engine_threads(settings: Settings) -> int:
    """Engine threads of a worker, with 0 resolved to the cores that this process may use."""
    return settings.engine_threads or len(os.sched_getaffinity(0))


def trainer_threads(settings: Settings) -> int:
    """Threads of a training, with 0 resolved to half of the cores that this process may use."""
    return settings.trainer_threads or max(1, len(os.sched_getaffinity(0)) // 2)
