"""Every setting of the service: one frozen object, read once, from an environ that is passed in."""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shared.api_keys import ApiKey, parse_api_keys
from shared.errors import SettingError
from shared.sentinels import parse_sentinels

Parse = Callable[[str], Any]

RUN_DIR = Path(".run")
REDIS_URL_FILE = RUN_DIR / "redis-url"
LEAST_SECRET_CHARS = 16
URL_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
CREDENTIALS = re.compile(r"(//)[^/]*@|((?:^|[?&])sentinel_password=)[^&]*")  # of a URL, not to be shown


def _integer(low: int, high: int) -> Parse:
    def parse(text: str) -> int:
        number = int(text)
        if not low <= number <= high:
            raise ValueError(f"expected {low} to {high}")
        return number

    return parse


def _number(low: float, high: float, unit: str) -> Parse:
    def parse(text: str) -> float:
        number = float(text)
        if not low <= number <= high:
            raise ValueError(f"expected {low:g} to {high:g} {unit}")
        return number

    return parse


def _one_of(*choices: str) -> Parse:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


def _redis_url(text: str) -> str:
    parts = urlsplit(text)
    if parse_sentinels(text) is None and (
        parts.scheme not in ("redis", "rediss") or not parts.hostname or parts.port == 0
    ):
        raise ValueError("expected redis://[user:password@]host:port/db, rediss://…, sentinel://… or sentinels://…")
    options = dict(parse_qsl(parts.query))
    if options.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        raise ValueError("expected ssl_cert_reqs to be required, optional or none")
    if not Path(options.get("ssl_ca_certs", "/")).exists():
        raise ValueError(f"there is no file {options['ssl_ca_certs']}, which ssl_ca_certs names")
    return text


def _yes_or_no(text: str) -> bool:
    if text.lower() not in ("1", "0", "true", "false", "yes", "no"):
        raise ValueError("expected 1 or 0")
    return text.lower() in ("1", "true", "yes")


def _http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("expected http://host:port or https://…")
    return text.rstrip("/")


def _signing_secret(text: str) -> str:
    if len(text) < LEAST_SECRET_CHARS:
        raise ValueError(f"expected {LEAST_SECRET_CHARS} characters or more")
    return text


def without_credentials(url: str) -> str:
    """`url`, to be shown."""
    return CREDENTIALS.sub(lambda found: f"{found[1]}…@" if found[1] else f"{found[2]}…", url)


def folder_or_url(text: str) -> Path | str:
    """A registry's place: a URL stays text."""
    return text if "://" in text else Path(text)


def _url_prefix(text: str) -> str:
    if not URL_PREFIX.fullmatch(text):
        raise ValueError("expected a path without slashes around it, as flower or tools/flower")
    return text


def _text(text: str) -> str:
    if not text.strip():
        raise ValueError("expected some text")
    return text


def _setting(default: Any, parse: Parse, doc: str, *, secret: bool = False) -> Any:
    return field(default=default, metadata={"parse": parse, "doc": doc, "secret": secret}, repr=not secret)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field per environment variable of the same name in capitals; `doc` is in docs/settings.md."""

    redis_url: str = _setting("redis://127.0.0.1:6379/0", _redis_url, "Redis: queue, results, Celery's broker")
    api_host: str = _setting("127.0.0.1", _text, "address the API binds to")
    api_port: int = _setting(5000, _integer(1, 65535), "port of the API")
    flower_host: str = _setting("127.0.0.1", _text, "address Flower binds to")
    flower_port: int = _setting(5555, _integer(1, 65535), "port of Flower")
    flower_url_prefix: str = _setting(
        "", _url_prefix, "path under which a proxy has Flower, as `flower`; none: the root"
    )
    metrics_host: str = _setting("127.0.0.1", _text, "address a worker's metrics bind to")
    metrics_port: int = _setting(
        5001, _integer(0, 65535), "port of a worker's metrics, or the next one that is free; 0: no metrics"
    )
    log_level: str = _setting("info", _one_of("debug", "info", "warning", "error"), "least level logged")
    log_format: str = _setting(
        "auto", _one_of("auto", "json", "text"), "a JSON object a line, or text; auto: text on a terminal"
    )
    log_slow_ms: float = _setting(1000.0, _number(0, 1e9, "ms"), "requests and batches that take longer are logged")
    otel_exporter_otlp_endpoint: str = _setting(
        "", _http_url, "where traces go over OTLP/HTTP, as `http://collector:4318`; none: nothing is traced"
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
        "cnn", _text, "model of requests that name none: `name`, `name@version` or `name@alias`"
    )
    alias_wait_s: float = _setting(
        30.0, _number(0, 3600, "s"), "how long a change of an alias waits for the workers, unless `?wait=` says"
    )
    mnist_dir: Path | None = _setting(None, Path, "folder of the four MNIST files")

    engine: str = _setting("auto", _one_of("auto", "litert", "tensorflow"), "what runs the model")
    engine_threads: int = _setting(
        0, _integer(0, 256), "engines of one thread each that a worker runs at a time; 0: one per core"
    )
    max_batch_images: int = _setting(256, _integer(1, 4096), "most images of one batch")
    max_batch_ms: float = _setting(20.0, _number(1, 60_000, "ms"), "longest that one batch may take")
    max_loaded_models: int = _setting(8, _integer(2, 1000), "versions that a worker has loaded at most")
    model_idle_s: float = _setting(
        600.0, _number(0.1, 1e7, "s"), "unused for so long, a version that no alias names is unloaded"
    )
    max_attempts: int = _setting(3, _integer(1, 100), "workers that one image may kill before it is set aside")
    engine_stall_s: float = _setting(
        30.0, _number(0.5, 3600, "s"), "a worker whose model runs for so long without an answer ends itself"
    )
    max_dead_letters: int = _setting(10_000, _integer(1, 10**7), "images set aside that are kept, the newest ones")
    lease_ms: int = _setting(10_000, _integer(500, 3_600_000), "unrenewed for so long, an entry is taken over")

    interactive_entry_images: int = _setting(32, _integer(1, 4096), "most single images joined into an entry")
    bulk_entry_images: int = _setting(256, _integer(1, 4096), "images of a job in one entry")
    max_queued_interactive_images: int = _setting(
        20_000, _integer(1, 10**9), "singles queued beyond which 429 is answered"
    )
    max_queued_interactive_bytes: int = _setting(
        64 << 20, _integer(1 << 10, 1 << 40), "bytes of singles queued beyond which 429 is answered"
    )
    max_queued_bulk_images: int = _setting(
        500_000, _integer(1, 10**9), "images of jobs queued beyond which uploads wait, then get 429"
    )
    max_queued_bulk_bytes: int = _setting(
        1 << 30, _integer(1 << 10, 1 << 40), "bytes of jobs queued beyond which uploads wait, then get 429"
    )
    max_waiting_singles: int = _setting(
        256, _integer(1, 10**6), "synchronous requests that one API process lets wait; more get 429"
    )

    max_image_bytes: int = _setting(1 << 20, _integer(1, 1 << 30), "largest image file")
    max_fit_pixels: int = _setting(1 << 24, _integer(1, 1 << 27), "most pixels of a picture for `?fit=digit`")
    max_upload_bytes: int = _setting(1 << 30, _integer(1, 1 << 40), "largest bulk body, also once unpacked")
    max_job_images: int = _setting(1_000_000, _integer(1, 10**9), "most images of one job")
    max_unpack_ratio: int = _setting(
        200, _integer(2, 10**6), "unpacked over packed size of an upload beyond which it is refused"
    )
    max_watchers: int = _setting(
        256, _integer(1, 10**6), "streams of a result's events that one API process holds open; more get 429"
    )
    max_connections: int = _setting(4096, _integer(1, 10**6), "connections of one API process; more get 503")
    head_timeout_s: float = _setting(10.0, _number(0.1, 3600, "s"), "longest that a request's head may take to come")
    body_timeout_s: float = _setting(30.0, _number(0.1, 3600, "s"), "longest that a body may pause")
    upload_stall_s: float = _setting(30.0, _number(0.01, 3600, "s"), "longest that an upload waits for room")

    sync_wait_s: float = _setting(30.0, _number(0.01, 3600, "s"), "longest that a synchronous request waits")
    max_wait_s: float = _setting(60.0, _number(0.01, 3600, "s"), "longest `?wait=`")
    result_ttl_s: int = _setting(86_400, _integer(1, 10**8), "how long a job and its results are kept")
    single_result_ttl_s: int = _setting(300, _integer(1, 10**8), "how long a synchronous result is kept")
    worker_ttl_s: int = _setting(10, _integer(2, 3600), "silent for so long, a worker counts as away")
    queue_stall_s: float = _setting(
        30.0, _number(0.5, 3600, "s"), "not ready when the oldest queued image is older and no batch has ended since"
    )

    api_keys: tuple[ApiKey, ...] = _setting(
        (), parse_api_keys, "the API's clients: `name:sha256[:option…]` each; none: open to all", secret=True
    )
    webhook_secret: str = _setting(
        "", _signing_secret, "signs callbacks; without it no `callback_url` is taken", secret=True
    )
    webhook_allow_private: bool = _setting(False, _yes_or_no, "callbacks may go to private addresses")
    webhook_timeout_s: float = _setting(10.0, _number(0.1, 600, "s"), "longest that one callback may take")
    webhook_attempts: int = _setting(8, _integer(1, 100), "times that a callback is tried")
    door_url: str = _setting("http://127.0.0.1:5000", _text, "the API, as the Celery door's worker reaches it")
    door_key: str = _setting("", _text, "the key with which the Celery door's worker comes to the API", secret=True)
    door_redelivery_s: int = _setting(
        300, _integer(1, 86_400), "after so long, and up to 10 s, a Celery task whose worker died is given to another"
    )

    max_trainings: int = _setting(10, _integer(1, 1000), "trainings queued or running beyond which 429 is answered")
    training_ttl_s: int = _setting(
        2_592_000, _integer(60, 10**8), "how long a training is kept after the last that was heard of it"
    )
    trainer_dir: Path = _setting(RUN_DIR / "trainings", Path, "where a trainer keeps what it has not published")
    trainer_threads: int = _setting(0, _integer(0, 256), "threads of a training; 0: one for every two cores")
    trainer_nice: int = _setting(
        19, _integer(0, 19), "niceness of trainings; 19: they also run only while a core is idle, where Linux lets them"
    )
    trainer_api_url: str = _setting(
        "", _http_url, "the API that a trainer asks to promote; none: that of `API_HOST` and `API_PORT`"
    )
    trainer_api_key: str = _setting("", _text, "an admin's key, for a trainer to promote with", secret=True)


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
            values["redis_url"] = _redis_url(redis_url_file.read_text().strip())
        except ValueError as error:
            raise SettingError(f"{redis_url_file}: {error}") from None
    return Settings(**values)


def engine_threads(settings: Settings) -> int:
    """Engine threads of a worker, with 0 resolved to the cores that this process may use."""
    return settings.engine_threads or len(os.sched_getaffinity(0))


def trainer_threads(settings: Settings) -> int:
    """Threads of a training, with 0 resolved to half of the cores that this process may use."""
    return settings.trainer_threads or max(1, len(os.sched_getaffinity(0)) // 2)
