"""The service under a drill: Redis, APIs, workers. Processes that die are restarted at once, as by a supervisor."""

import itertools
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import redis

from deploy.processes import free_port
from shared.redis import keys
from tests.support.bad_redis import BadRedis
from tests.support.processes import BIN, ROOT, Process, wait_until
from tools.faults.system.redis_proxy import RedisProxy

SETTINGS = {
    "LEASE_MS": "1000",
    "WORKER_TTL_S": "3",
    "SINGLE_RESULT_TTL_S": "3600",  # longer than a drill, which reads singles again at its end
    "ENGINE_STALL_S": "2",
    "MAX_ATTEMPTS": "3",
    "SYNC_WAIT_S": "30",
    "ENGINE_THREADS": "1",
    "ENGINE": "litert",
    "MODELS_DIR": str(ROOT / "models"),
    "LOG_LEVEL": "warning",
}
LEASE_S = 1.0
READY_S = 60.0
POLL_S = 0.02
POLLS_PER_MEASUREMENT = 25  # memory is measured every half second
AT_WORK_S = 20.0
AT_WORK_POLL_S = 0.001  # a worker holds an entry for about 20 ms
OTHER_CLOCK = ROOT / "tools" / "faults" / "system" / "other_clock"  # with a module that Python imports at its start
CELERY = [str(BIN / "celery")]
FAULTY = [sys.executable, "-m", "tools.faults.system.faulty_worker"]


@dataclass(frozen=True, slots=True)
class Exit:
    """A process that ended by itself. A negative status is a signal's number."""

    name: str
    status: int
    output: str


class Service:
    """The service. `processes` has the names api-1, …, worker-1, …; Redis is `redis_server`."""

    def __init__(
        self,
        data_dir: Path,
        apis: int,
        workers: int,
        faulty: bool,
        environ: Mapping[str, str],
        code: Path = ROOT,
        proxied: bool = False,
        clocks_s: Mapping[str, float] = {},  # read only
    ) -> None:
        """Start all processes. The code of APIs and workers is in the folder `code`.

        `clocks_s` has the error of the clock of each process whose clock is wrong, by its name.
        """
        self.redis_server = BadRedis(data_dir)
        self.proxy = RedisProxy(self.redis_server.port) if proxied else None
        self._standby: BadRedis | None = None
        url = f"redis://127.0.0.1:{self.proxy.port}/0" if self.proxy else self.redis_server.url
        self.environ = {**SETTINGS, "REDIS_URL": url, **environ}
        self.redis = redis.Redis.from_url(self.environ["REDIS_URL"])
        self.exits: list[Exit] = []
        self.peak_mib: dict[str, int] = {}  # most memory (RSS) of any API and any worker until now
        self.processes: dict[str, Process] = {}
        self._commands: dict[str, tuple[list[str], dict[str, str]]] = {}
        self._clocks_s = clocks_s
        self._changing = threading.Lock()
        self._closing = threading.Event()
        self.urls: list[str] = []
        for number in range(1, apis + 1):
            port = free_port()
            self.urls.append(f"http://127.0.0.1:{port}")
            self._commands[f"api-{number}"] = ([sys.executable, "-m", "api"], {"API_PORT": str(port)})
        for name in (f"worker-{number}" for number in range(1, workers + 1)):
            self._commands[name] = (worker_command(name, faulty), {})
        self._code = dict.fromkeys(self._commands, code)
        for name in self._commands:
            self._start(name)
        self._keeper = threading.Thread(target=self._keep, name="keeper")
        self._keeper.start()

    @property
    def workers(self) -> list[str]:
        return [name for name in self._commands if name.startswith("worker")]

    @property
    def apis(self) -> list[str]:
        return [name for name in self._commands if name.startswith("api")]

    def standby(self) -> BadRedis:
        """Return a replica that has all data of the master, and start it at first."""
        if self._standby is None:
            data_dir = self.redis_server.data_dir.with_name("standby")
            self._standby = BadRedis(data_dir)
            self._standby.be_replica(self.redis_server.port)
        admin = self._standby.admin
        wait_until(lambda: admin.info("replication").get("master_link_status") == "up", "the standby is in sync")
        return self._standby

    def promote_standby(self) -> None:
        """Send new connections to the standby, which is the master now."""
        assert self.proxy is not None
        assert self._standby is not None
        self.redis_server, self._standby = self._standby, self.redis_server
        self.proxy.target_port = self.redis_server.port

    def signal(self, name: str, signum: signal.Signals) -> None:
        """Send a signal to the running process of that name."""
        self.processes[name].signal(signum)

    def replace(self, name: str, code: Path) -> None:
        """End a process with TERM and start it from the code in another folder. Blocks until the first has ended.

        Raises AssertionError if the process exits with an error. uvicorn ends with the signal itself.
        """
        with self._changing:
            process = self.processes[name]
            process.signal(signal.SIGTERM)
            status = process.wait()
            assert status in (0, -signal.SIGTERM), f"{name} exited with {status}:\n{process.output[-2000:]}"
            self._code[name] = code
            self._start(name)

    def wait_until_at_work(self, name: str) -> Process:
        """Wait until the worker holds images of a job, and return it: a fault now affects these images too."""
        process = self.processes[name]
        deadline_s = time.monotonic() + AT_WORK_S
        while not self._holds_images_of_jobs(process.pid):
            if time.monotonic() > deadline_s:
                raise AssertionError(f"{name} had nothing to do for {AT_WORK_S:g} s:\n{self.output()}")
            time.sleep(AT_WORK_POLL_S)
        return process

    def _holds_images_of_jobs(self, pid: int) -> bool:
        with self.redis.pipeline(transaction=False) as pipeline:
            for stream in keys.streams("cnn", "bulk"):
                pipeline.xpending(stream, keys.GROUP)
            return any(
                f":{pid}:" in consumer["name"].decode()
                for pending in pipeline.execute()
                for consumer in pending["consumers"]
            )

    def wait_until_ready(self) -> None:
        """Wait until every API knows every worker that runs now, not only workers that are gone."""
        deadline_s = time.monotonic() + READY_S
        for url in self.urls:
            while not self._ready(url):
                if time.monotonic() > deadline_s:
                    raise AssertionError(f"never ready:\n{self.output()}")
                time.sleep(POLL_S)

    def output(self) -> str:
        """Return the last lines of all processes."""
        return "\n".join(f"--- {name}\n{process.output[-2000:]}" for name, process in self.processes.items())

    def close(self) -> None:
        self._closing.set()
        self._keeper.join()
        self.redis.close()
        for process in self.processes.values():
            if process.status is None:
                process.signal(signal.SIGKILL)  # a drill needs no warm shutdown
            process.wait()
        if self.proxy is not None:
            self.proxy.close()
        for server in (self.redis_server, self._standby):
            if server is not None:
                server.stop()

    def _keep(self) -> None:
        for poll in itertools.count():
            if self._closing.wait(POLL_S):
                return
            if poll % POLLS_PER_MEASUREMENT == 0:
                self._measure_memory()
            for name in list(self.processes):
                with self._changing:
                    process = self.processes[name]
                    if process.status is not None:
                        self.exits.append(Exit(name, process.status, process.output))
                        self._start(name)

    def _measure_memory(self) -> None:
        for name, process in self.processes.items():
            kind = name.partition("-")[0]
            self.peak_mib[kind] = max(self.peak_mib.get(kind, 0), peak_mib(process.pid))

    def _start(self, name: str) -> None:
        command, environ = self._commands[name]
        code = self._code[name]
        folders = [code, code / "client"]
        clock = {}
        if name in self._clocks_s:
            folders.append(OTHER_CLOCK)
            clock = {"CLOCK_SHIFT_S": str(self._clocks_s[name])}
        paths = {"PYTHONPATH": os.pathsep.join(map(str, folders))}
        self.processes[name] = Process(command, {**self.environ, **paths, **clock, **environ}, cwd=code)

    def _ready(self, url: str) -> bool:
        try:
            reply = httpx.get(f"{url}/status", timeout=5, trust_env=False)
        except httpx.TransportError:
            return False
        pids = {self.processes[name].pid for name in self.workers}
        return reply.status_code == 200 and {worker["pid"] for worker in reply.json()["workers"]} >= pids


def peak_mib(pid: int) -> int:
    """Return the most memory (RSS) that the process has had, in MiB, or 0 once it is gone."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peak = re.search(r"VmHWM:\s+(\d+) kB", status)
    return int(peak[1]) >> 10 if peak else 0


def worker_command(name: str, faulty: bool = False) -> list[str]:
    """Return the command of the Procfile, with another program."""
    command = [*(FAULTY if faulty else CELERY), "-A", "worker.app", "worker", "--pool", "solo"]
    return [*command, "--hostname", f"{name}@%h", "--loglevel", "warning", "--without-mingle", "--without-gossip"]


def start_alone(service: Service, name: str, environ: Mapping[str, str], faulty: bool = False) -> Process:
    """Start one more worker on the service's Redis, which is not restarted."""
    return Process(worker_command(name, faulty), {**service.environ, **environ})
