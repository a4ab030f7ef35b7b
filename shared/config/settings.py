"""The settings of the service, read once from the environment."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from shared.config.api_keys import ApiKey, parse_api_keys
from shared.config.engine import ENGINES
from shared.config.values import (
    Parse,
    folder_or_url,
    host_names,
    http_url,
    integer,
    mirrors,
    number,
    one_of,
    redis_address,
    signing_secret,
    some_text,
    url_prefix,
    web_origins,
    without_credentials,
    yes_or_no,
)
from shared.errors import SettingError

RUN_DIR = Path(".run")
MNIST_MIRRORS = "https://storage.googleapis.com/cvdf-datasets/mnist https://ossci-datasets.s3.amazonaws.com/mnist"
REDIS_URL_FILE = RUN_DIR / "redis-url"
LARGEST_MAX_FIT_PIXELS = 1 << 27


def _setting(default: Any, parse: Parse, doc: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc, "secret": secret}, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field per environment variable, in lower case. docs/settings.md repeats the `doc` of each field."""

    redis_url: str = _setting("redis://127.0.0.1:6379/0", redis_address, "Redis of the queue, the results and Celery")
    redis_server: Path | None = _setting(None, Path, "executable of the Redis that `make run` starts; none: Valkey")
    api_host: str = _setting("127.0.0.1", some_text, "address that the API binds to")
    api_port: int = _setting(5000, integer(1, 65535), "port of the API")
    allowed_hosts: tuple[str, ...] = _setting(
        (), host_names, "names of the service for browsers, in addition to loopback names; `*`: any"
    )
    cors_origins: tuple[str, ...] = _setting(
        (), web_origins, "other websites whose pages may use the API, such as `https://app.example`; `*`: all"
    )
    flower_host: str = _setting("127.0.0.1", some_text, "address that Flower binds to")
    flower_port: int = _setting(5555, integer(1, 65535), "port of Flower")
    flower_url_prefix: str = _setting("", url_prefix, "path of Flower behind a proxy, such as `flower`; none: the root")
    metrics_host: str = _setting("127.0.0.1", some_text, "address that a worker's metrics server binds to")
    metrics_port: int = _setting(5001, integer(0, 65535), "first port to try for a worker's metrics; 0: no metrics")
    log_level: str = _setting("info", one_of("debug", "info", "warning", "error"), "lowest level that is logged")
    log_format: str = _setting("auto", one_of("auto", "json", "text"), "JSON lines or text; auto: text on a terminal")
    log_slow_ms: float = _setting(1000.0, number(0, 1e9, "ms"), "duration above which requests and batches are logged")
    otel_exporter_otlp_endpoint: str = _setting(
        "", http_url, "OTLP/HTTP endpoint for traces, such as `http://collector:4318`; none: no traces"
    )
    data_dir: Path | None = _setting(
        None, Path, "folder for all files of `mnistified serve`; none: `mnistified` in `~/.local/share`"
    )

    models_dir: Path | str = _setting(Path("models"), folder_or_url, "model registry: a folder or an fsspec URL")
    models_cache_dir: Path = _setting(RUN_DIR / "models", Path, "local copies of versions, if `MODELS_DIR` is a URL")
    default_model: str = _setting(
        "cnn", some_text, "model of requests that name none: `name`, `name@version` or `name@alias`"
    )
    alias_wait_s: float = _setting(
        30.0, number(0, 3600, "s"), "how long a request that moves an alias waits for the workers, without `?wait=`"
    )
    mnist_dir: Path | None = _setting(
        None, Path, "folder of the MNIST files; serving needs only the two of the test set"
    )
    mnist_mirrors: str = _setting(
        MNIST_MIRRORS, mirrors, "URLs of folders from which to download MNIST, separated by spaces; `none`: no download"
    )

    engine: str = _setting("auto", one_of(*ENGINES), "library that runs the model")
    engine_threads: int = _setting(0, integer(0, 256), "single-threaded engines in a worker; 0: one per core")
    max_batch_images: int = _setting(256, integer(1, 4096), "maximum number of images in one run of an engine")
    max_batch_ms: float = _setting(
        20.0,
        number(1, 60_000, "ms"),
        "maximum time of one run, which limits its size; a batch of a job has up to five runs",
    )
    max_loaded_models: int = _setting(8, integer(2, 1000), "maximum number of versions that a worker keeps loaded")
    max_loaded_bytes: int = _setting(
        2 << 30, integer(1 << 20, 1 << 50), "memory of a worker's loaded versions, above which it unloads others"
    )
    model_idle_s: float = _setting(
        600.0, number(0.1, 1e7, "s"), "time without use after which a worker unloads a version that no alias names"
    )
    max_attempts: int = _setting(3, integer(1, 100), "crashed workers after which an image moves to the dead letters")
    engine_stall_s: float = _setting(
        30.0, number(0.5, 3600, "s"), "time without an answer from its engine after which a worker exits"
    )
    max_dead_letters: int = _setting(10_000, integer(1, 10**7), "maximum length of the dead-letter stream, in images")
    lease_ms: int = _setting(10_000, integer(500, 3_600_000), "time after which a lease expires unless renewed")
    format_wait_s: float = _setting(
        60.0, number(1, 86_400, "s"), "time after which images fail if no worker reads the format of their entry"
    )

    interactive_entry_images: int = _setting(32, integer(1, 4096), "maximum single images joined into one entry")
    bulk_entry_images: int = _setting(640, integer(1, 4096), "number of a job's images in one entry")
    max_queued_interactive_images: int = _setting(
        20_000, integer(1, 10**9), "queued single images above which requests get 429"
    )
    max_queued_interactive_bytes: int = _setting(
        64 << 20, integer(1 << 10, 1 << 40), "bytes of queued single images above which requests get 429"
    )
    max_queued_bulk_images: int = _setting(
        500_000, integer(1, 10**9), "queued images of jobs above which uploads wait, and then get 429"
    )
    max_queued_bulk_bytes: int = _setting(
        1 << 30, integer(1 << 10, 1 << 40), "bytes of queued jobs above which uploads wait, and then get 429"
    )
    max_waiting_singles: int = _setting(
        256, integer(1, 10**6), "synchronous requests that may wait in one API process; more get 429"
    )

    max_image_bytes: int = _setting(
        16 << 20, integer(1, 1 << 30), "maximum size of an image file, or of a body that holds one"
    )
    max_fit_pixels: int = _setting(
        1 << 24,
        integer(1, LARGEST_MAX_FIT_PIXELS),
        "maximum pixels of a picture for `?fit=` and `?resize=`; 8 times as many for a baseline JPEG",
    )
    max_upload_bytes: int = _setting(1 << 30, integer(1, 1 << 40), "maximum size of a bulk body, packed and unpacked")
    max_job_images: int = _setting(1_000_000, integer(1, 10**9), "maximum number of images in a job")
    max_unpack_ratio: int = _setting(200, integer(2, 10**6), "maximum ratio of an upload's unpacked to packed size")
    max_decoding_pixels: int = _setting(
        1 << 25, integer(1 << 16, 1 << 40), "pixels that one API process unpacks at once for `?fit=digit`; others wait"
    )
    max_json_bytes: int = _setting(
        8 << 20, integer(1 << 10, 32 << 20), "maximum size of a JSON body of the compatibility APIs, also unpacked"
    )
    max_held_body_bytes: int = _setting(
        256 << 20,
        integer(1 << 20, 1 << 40),
        "bytes of bodies that are read as a whole, in one API process; more get 429",
    )
    max_watchers: int = _setting(256, integer(1, 10**6), "event streams that one API process keeps open; more get 429")
    max_connections: int = _setting(4096, integer(1, 10**6), "connections of one API process; more get 503")
    head_timeout_s: float = _setting(10.0, number(0.1, 3600, "s"), "maximum time to receive the head of a request")
    body_timeout_s: float = _setting(30.0, number(0.1, 3600, "s"), "maximum pause while a body is received")
    upload_stall_s: float = _setting(30.0, number(0.01, 3600, "s"), "maximum wait of an upload for room in the queue")

    sync_wait_s: float = _setting(30.0, number(0.01, 3600, "s"), "maximum wait of a synchronous request for its result")
    max_wait_s: float = _setting(60.0, number(0.01, 3600, "s"), "maximum value of `?wait=`")
    result_ttl_s: int = _setting(86_400, integer(1, 10**8), "how long a job and its results are kept after its end")
    single_result_ttl_s: int = _setting(300, integer(1, 10**8), "how long the result of a synchronous request is kept")
    worker_ttl_s: int = _setting(10, integer(2, 3600), "time without a heartbeat after which a worker counts as lost")
    queue_stall_s: float = _setting(
        30.0, number(0.5, 3600, "s"), "`/readyz` fails if an image has waited and no batch has ended for this long"
    )

    api_keys: tuple[ApiKey, ...] = _setting(
        (), parse_api_keys, "the API's clients, `name:sha256[:option…]` each; none: open to everyone", secret=True
    )
    webhook_secret: str = _setting(
        "", signing_secret, "secret that signs callbacks; none: `callback_url` is refused", secret=True
    )
    webhook_allow_private: bool = _setting(False, yes_or_no, "allow callbacks to private addresses")
    webhook_timeout_s: float = _setting(10.0, number(0.1, 600, "s"), "maximum time of one attempt at a callback")
    webhook_attempts: int = _setting(8, integer(1, 100), "maximum number of attempts at a callback")
    door_url: str = _setting("http://127.0.0.1:5000", some_text, "URL of the HTTP API for the Celery API's worker")
    door_key: str = _setting("", some_text, "API key of the Celery API's worker", secret=True)
    door_redelivery_s: int = _setting(
        300,
        integer(1, 86_400),
        "time after which a Celery task of a dead worker goes to another worker, up to 10 s later",
    )

    max_trainings: int = _setting(10, integer(1, 1000), "queued and running trainings above which requests get 429")
    training_ttl_s: int = _setting(2_592_000, integer(60, 10**8), "how long a training is kept after its last update")
    trainer_dir: Path = _setting(RUN_DIR / "trainings", Path, "folder for trainings that are not published")
    trainer_threads: int = _setting(0, integer(0, 256), "threads of a training; 0: half of the cores")
    trainer_nice: int = _setting(
        19, integer(0, 19), "niceness of trainings; 19: Linux runs them only while a core is idle"
    )
    trainer_api_url: str = _setting(
        "", http_url, "API through which a trainer promotes versions; none: `API_HOST` and `API_PORT`"
    )
    trainer_api_key: str = _setting("", some_text, "admin's key with which a trainer promotes versions", secret=True)


def load_settings(environ: Mapping[str, str], redis_url_file: Path = REDIS_URL_FILE) -> Settings:
    """Read the settings from `environ`. An unset or empty variable means the default.

    Without REDIS_URL, the address in `redis_url_file` is used, which a running `make run` writes.
    Raises SettingError with the name and value of the first invalid setting, or with the name of that file.
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
    """Return the number of engine threads. A setting of 0 means the number of cores that this process may use."""
    return settings.engine_threads or usable_cores()


def trainer_threads(settings: Settings) -> int:
    """Return the threads of a training. A setting of 0 means half of the cores that this process may use."""
    return settings.trainer_threads or max(1, usable_cores() // 2)


def usable_cores() -> int:
    """Return the number of cores that this process may use. macOS knows only the number of all cores."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
