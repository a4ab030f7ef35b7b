"""`python -m deploy.local`: run the whole system on one machine from the Procfile, and restart programs that exit.

The programs write to `.run/service.log`, and this process prints only what a person wants to know.
"""

import argparse
import contextlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from deploy.processes import port_in_use
from deploy.redis_server import DATA_DIR, find_redis_server, own_url
from deploy.run_dir import LOG_FILE, LogFile, lock_run_dir, write_private
from deploy.supervise import StoppedError, Supervisor, parse_procfile
from shared.config.engine import check_engine_installed
from shared.config.loopback import is_loopback
from shared.config.settings import REDIS_URL_FILE, RUN_DIR, Settings, load_settings, usable_cores
from shared.config.values import without_credentials
from shared.data import download
from shared.data.dataset import find_mnist_dir
from shared.errors import DatasetError, MnistifiedError, SettingError
from shared.models.mirror import open_registry
from shared.models.registry import load_version
from shared.redis.clients import SyncClient
from shared.redis.reachable import check_redis

PROCFILE = Path(__file__).parent / "Procfile"
FLOWER_GUARDS = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")
FETCHED_MNIST = Path("data/mnist")
FETCH_LIMIT_S = 10
STDOUT = 1  # the descriptor, because Python has no sys.stdout if the caller has closed it
OPTIONAL = {"trainer": "a trainer", "door": "the worker for Celery tasks"}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    add_options(parser)
    arguments = parser.parse_args()
    try:
        sys.exit(run(arguments.workers, trainer=arguments.trainer, celery_api=arguments.celery_api))
    except MnistifiedError as error:
        sys.exit(f"run: {error}")


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="worker processes (default: 1)")
    parser.add_argument(
        "--trainer", action="store_true", help="also start a trainer, which does the trainings that clients request"
    )
    parser.add_argument(
        "--door", action="store_true", dest="celery_api", help="also start the worker of the Celery API: docs/celery.md"
    )


def run(workers: int, *, trainer: bool = False, celery_api: bool = False) -> int:
    """Start everything, print the addresses, and block until INT, TERM or HUP. Return the exit status.

    Raises MnistifiedError before anything starts, for example for a bad setting or a port in use, and if a program
    cannot be started.
    """
    occupy_standard_descriptors()
    own_redis = not os.environ.get("REDIS_URL")
    settings = load_settings(os.environ, redis_url_file=Path(os.devnull))
    check_can_start(settings, workers, trainer=trainer)
    if own_redis:
        find_redis_server()
    environ = child_environ(os.environ, workers)
    left_out = {"redis": not own_redis, "trainer": not trainer, "door": not celery_api}
    commands = {
        kind: command for kind, command in parse_procfile(PROCFILE.read_text()).items() if not left_out.get(kind, False)
    }
    with contextlib.ExitStack() as stack:
        lock = lock_run_dir()
        stack.callback(os.close, lock)
        if own_redis:
            environ["REDIS_URL"] = own_url(free_port())
        write_private(REDIS_URL_FILE, environ["REDIS_URL"])
        stack.callback(REDIS_URL_FILE.unlink, missing_ok=True)
        log = LogFile()
        stack.callback(log.close)
        say(f"MNISTified starts. The log of its programs: {LOG_FILE.absolute()}")
        environ |= find_test_images(settings)
        supervisor = Supervisor(environ, log, say, [lock])
        supervisor.handle_signals()
        stack.callback(supervisor.close)
        with contextlib.suppress(StoppedError):
            start_programs(supervisor, commands, workers, environ["REDIS_URL"], settings)
            say(banner(settings, environ["REDIS_URL"], workers))
            supervisor.watch()
        say("stopping: running work is finished first")
    say("stopped")
    return 0


def occupy_standard_descriptors() -> None:
    """Open /dev/null for each standard stream that the caller has closed, so that no other file gets its number."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def start_programs(
    supervisor: Supervisor, commands: dict[str, str], workers: int, redis_url: str, settings: Settings
) -> None:
    """Start Redis, then the other programs, and wait until the service is ready."""
    if "redis" in commands:
        say(f"  Redis    its data is in {DATA_DIR.absolute()}")
        supervisor.start("redis", "redis", commands.pop("redis"))
        supervisor.wait_until(lambda: redis_answers(redis_url))
    for kind, command in commands.items():
        for name in [f"worker-{number}" for number in range(1, workers + 1)] if kind == "worker" else [kind]:
            supervisor.start(kind, name, command)
    started = ["API", counted(workers, "worker"), "tasks", "Flower"]
    say("  Starting " + ", ".join(started + [name for kind, name in OPTIONAL.items() if kind in commands]))
    supervisor.wait_until(lambda: _answers(f"{api_url(settings)}/readyz"))


def find_test_images(settings: Settings) -> dict[str, str]:
    """Find or download MNIST's test set, and say which images there are. Return the settings that the programs need.

    Blocks for at most FETCH_LIMIT_S: without a network, the programs serve a drawn sample.
    """
    found = find_mnist_dir(settings.mnist_dir, "test")
    if found is None and settings.mnist_mirrors and not has_test_images(FETCHED_MNIST):
        reason = fetch_test_images()
        if reason:
            say(f"  Images   MNIST cannot be downloaded ({reason})")
    found = found_test_images(settings)
    say(f"  Images   {describe_images(found)}")
    return {"MNIST_DIR": str(found.absolute())} if found == FETCHED_MNIST else {}


def found_test_images(settings: Settings) -> Path | None:
    downloaded = FETCHED_MNIST if has_test_images(FETCHED_MNIST) else None
    return find_mnist_dir(settings.mnist_dir, "test") or downloaded


def describe_images(folder: Path | None) -> str:
    return f"MNIST, in {folder.absolute()}" if folder else "200 digits drawn by this project, not MNIST"


def has_test_images(folder: Path) -> bool:
    try:
        return find_mnist_dir(folder, "test") is not None
    except DatasetError:
        return False


def fetch_test_images() -> str:
    """Download the two files of MNIST's test set (1.7 MB). Return why that failed, or nothing.

    A process of its own can be ended in time, even while it resolves a name.
    """
    say("  Images   downloading MNIST's test set (1.7 MB)")
    command = [sys.executable, "-m", download.__name__, str(FETCHED_MNIST)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=FETCH_LIMIT_S, check=False)  # noqa: S603
    except subprocess.TimeoutExpired:
        return f"not within {FETCH_LIMIT_S} s"
    finally:
        for folder in (FETCHED_MNIST, FETCHED_MNIST.parent):
            with contextlib.suppress(OSError):
                folder.rmdir()  # if it is empty
    return ended.stderr.strip().splitlines()[-1].strip() if ended.returncode else ""


def say(text: str) -> None:
    """Print a text for the person who started this, who may have closed the terminal."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


def check_can_start(settings: Settings, workers: int, *, trainer: bool) -> None:
    """Raises MnistifiedError, in one sentence, if a setting, a file or a port would keep a program from starting."""
    if workers < 1:
        raise SettingError(f"--workers {workers}: expected 1 or more")
    if trainer and find_spec("tensorflow") is None:
        raise SettingError("--trainer needs TensorFlow, which is not installed: pip install 'mnistified[train]'")
    check_flower_guarded(settings.flower_host, os.environ)
    check_data(settings)
    if os.environ.get("REDIS_URL"):
        check_redis(settings, "api", "worker")
    check_port_free("API_PORT", settings.api_host, settings.api_port)
    check_port_free("FLOWER_PORT", settings.flower_host, settings.flower_port)


def check_data(settings: Settings) -> None:
    """Raises MnistifiedError if the test set, the default model or the engine is missing."""
    find_mnist_dir(settings.mnist_dir, "test")
    registry = open_registry(settings.models_dir, settings.models_cache_dir)
    load_version(registry, settings.default_model.partition("@")[0])
    check_engine_installed(settings.engine)


def check_port_free(setting: str, host: str, port: int) -> None:
    """Raises SettingError, which names the port, the process that holds it, and the setting that changes it."""
    reason = port_in_use(host, port)
    if reason is not None:
        raise SettingError(f"port {port} of {host} cannot be used ({reason}); choose another with {setting}")


def check_flower_guarded(host: str, environ: Mapping[str, str]) -> None:
    """Raises SettingError if other machines could reach a Flower without a password: Flower can stop workers."""
    if not is_loopback(host) and not any(environ.get(guard) for guard in FLOWER_GUARDS):
        raise SettingError(
            f"FLOWER_HOST={host!r}: anyone who reaches Flower can stop workers; set FLOWER_BASIC_AUTH=user:password"
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def child_environ(environ: Mapping[str, str], workers: int) -> dict[str, str]:
    """Return the children's environment: programs of this venv first, logs for this terminal, cores shared out."""
    children = dict(environ)
    children["PATH"] = os.pathsep.join((str(Path(sys.executable).parent), environ.get("PATH", os.defpath)))
    children["PYTHONUNBUFFERED"] = "1"
    for guard in FLOWER_GUARDS:
        if not children.get(guard, "unset"):
            del children[guard]  # Flower would require an empty value as a password
    if os.isatty(STDOUT) and children.get("LOG_FORMAT", "auto") == "auto":
        children["LOG_FORMAT"] = "text"  # for a person; the children write to a pipe
    cores = usable_cores()
    children.setdefault("DOOR_URL", f"http://127.0.0.1:{environ.get('API_PORT') or 5000}")
    children.setdefault("ENGINE_THREADS", str(max(1, cores // workers)))
    return children


def redis_answers(url: str) -> bool:
    """Return whether Redis accepts commands. It does not while it loads its data."""
    with SyncClient.from_url(url, socket_connect_timeout=1, socket_timeout=1, retry=None) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def banner(settings: Settings, redis_url: str, workers: int) -> str:
    api = api_url(settings)
    flower = f"http://{settings.flower_host}:{settings.flower_port}/{settings.flower_url_prefix}"
    return (
        f"\nMNISTified is ready ({counted(workers, 'worker')}).\n"
        f"  Page    {api}/   open it in a browser\n"
        f"  API     {api}    try: curl {api}/mnist/classify/42\n"
        f"  Flower  {flower.rstrip('/')}\n"
        f"  Images  {describe_images(found_test_images(settings))}\n"
        f"  Redis   {without_credentials(redis_url)}   with its password: cat {REDIS_URL_FILE.absolute()}\n"
        f"  Log     {LOG_FILE.absolute()}\n"
        f"  Data    {RUN_DIR.absolute()}\n"
        "Ctrl-C stops all of it.\n"
    )


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def api_url(settings: Settings) -> str:
    host = f"[{settings.api_host}]" if ":" in settings.api_host else settings.api_host
    return f"http://{host}:{settings.api_port}"


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
