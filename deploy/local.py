"""`python -m deploy.local`: run the whole system on one machine from the Procfile, and restart processes that die."""

import argparse
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

import httpx

from deploy.redis_server import find_redis_server
from deploy.supervise import parse_procfile, supervisor_config
from shared.config.loopback import is_loopback
from shared.config.settings import REDIS_URL_FILE, RUN_DIR, Settings, load_settings
from shared.config.values import without_credentials
from shared.errors import MnistifiedError, SettingError

PROCFILE = Path(__file__).parent / "Procfile"
CONFIG_FILE = RUN_DIR / "supervisord.conf"
READY_POLL_S = 0.2
FLOWER_GUARDS = ("FLOWER_BASIC_AUTH", "FLOWER_AUTH")


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
    """Start everything, print the addresses, and block until INT or TERM. Return the exit status.

    Raises MnistifiedError before anything starts: for a bad setting, a port in use, or if there is no Redis.
    """
    if workers < 1:
        raise SettingError(f"--workers {workers}: expected 1 or more")
    if trainer and find_spec("tensorflow") is None:
        raise SettingError("--trainer needs TensorFlow, which is not installed: pip install 'mnistified[train]'")
    own_redis = not os.environ.get("REDIS_URL")
    settings = load_settings(os.environ, redis_url_file=Path(os.devnull))
    check_flower_guarded(settings.flower_host, os.environ)
    check_port_free("API_PORT", settings.api_host, settings.api_port)
    check_port_free("FLOWER_PORT", settings.flower_host, settings.flower_port)
    environ = child_environ(os.environ, workers)
    if own_redis:
        find_redis_server()
        environ["REDIS_URL"] = f"redis://127.0.0.1:{free_port()}/0"
    RUN_DIR.mkdir(exist_ok=True)
    programs = parse_procfile(PROCFILE.read_text())
    if not own_redis:
        del programs["redis"]
    if not trainer:
        del programs["trainer"]
    if not celery_api:
        del programs["door"]
    CONFIG_FILE.write_text(supervisor_config(programs, workers, RUN_DIR))
    REDIS_URL_FILE.unlink(missing_ok=True)
    REDIS_URL_FILE.touch(mode=0o600)  # before a password is written to it
    REDIS_URL_FILE.write_text(environ["REDIS_URL"])
    try:
        return _supervise(environ, settings, workers)
    finally:
        REDIS_URL_FILE.unlink(missing_ok=True)


def check_port_free(setting: str, host: str, port: int) -> None:
    """Raises SettingError, which names the port and the setting that changes it."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise SettingError(
                f"port {port} of {host} cannot be used ({error.strerror}); choose another with {setting}"
            ) from None


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
    if sys.stdout.isatty() and children.get("LOG_FORMAT", "auto") == "auto":
        children["LOG_FORMAT"] = "text"  # the children write to a pipe, the supervisor to this terminal
    cores = len(os.sched_getaffinity(0))
    children.setdefault("DOOR_URL", f"http://127.0.0.1:{environ.get('API_PORT') or 5000}")
    children.setdefault("ENGINE_THREADS", str(max(1, cores // workers)))
    return children


def _supervise(environ: dict[str, str], settings: Settings, workers: int) -> int:
    """Run the supervisor in its own session, so that Ctrl-C reaches only us, and we stop the supervisor."""
    command = [sys.executable, "-W", "ignore", "-m", "supervisor.supervisord", "--nodaemon", "-c", str(CONFIG_FILE)]
    stopping = threading.Event()
    supervisor: subprocess.Popen[bytes] | None = None

    def stop(signum: int, frame: object) -> None:
        stopping.set()
        if supervisor is not None:
            supervisor.terminate()

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    supervisor = subprocess.Popen(command, env=environ, start_new_session=True)  # noqa: S603
    if stopping.is_set():
        supervisor.terminate()
    announcer = threading.Thread(
        target=_announce, args=(settings, environ["REDIS_URL"], workers, supervisor), daemon=True
    )
    announcer.start()
    status = supervisor.wait()
    print("stopped", flush=True)
    return status


def _announce(settings: Settings, redis_url: str, workers: int, supervisor: "subprocess.Popen[bytes]") -> None:
    """Print the addresses as soon as the API answers."""
    api = f"http://{settings.api_host}:{settings.api_port}"
    while supervisor.poll() is None and not _answers(f"{api}/readyz"):
        time.sleep(READY_POLL_S)
    if supervisor.poll() is None:
        flower = f"http://{settings.flower_host}:{settings.flower_port}/{settings.flower_url_prefix}"
        print(
            f"\nMNISTified is ready ({workers} worker{'s' if workers > 1 else ''}).\n"
            f"  Page    {api}/   open it in a browser\n"
            f"  API     {api}    try: curl {api}/mnist/classify/42\n"
            f"  Flower  {flower.rstrip('/')}\n"
            f"  Redis   {without_credentials(redis_url)}\n"
            f"  data    {RUN_DIR.absolute()}\n"
            "Ctrl-C stops all of it.\n",
            flush=True,
        )


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).is_success
    except httpx.HTTPError:
        return False


if __name__ == "__main__":
    main()
