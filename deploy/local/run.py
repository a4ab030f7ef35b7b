"""Run the whole system on one machine from the Procfile, and restart programs that exit.

The programs write to `.run/service.log`, and this process prints only what a person wants to know.
"""

import argparse
import contextlib
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import httpx
from redis.exceptions import RedisError

from deploy.local.checks import FLOWER_GUARDS, check_can_start
from deploy.local.mnist import describe_images, find_test_images, found_test_images
from deploy.local.program import parse_procfile
from deploy.local.supervise import StoppedError, Supervisor
from deploy.processes import free_port
from deploy.redis_server import DATA_DIR, find_redis_server, own_url
from deploy.run_dir import LOG_FILE, LogFile, lock_run_dir, write_private
from shared.config.settings import REDIS_URL_FILE, RUN_DIR, Settings, load_settings, usable_cores
from shared.config.values import without_credentials
from shared.errors import MnistifiedError
from shared.redis.clients import SyncClient

PROCFILE = Path(__file__).parents[1] / "Procfile"
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
        environ |= find_test_images(settings, say)
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


def say(text: str) -> None:
    """Print a text for the person who started this, who may have closed the terminal."""
    with contextlib.suppress(OSError):
        print(text, flush=True)


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
