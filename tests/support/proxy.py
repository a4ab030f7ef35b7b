"""The reverse proxy of deploy/nginx as a real process on free ports."""

import contextlib
import os
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx

from deploy.processes import free_port
from tests.support.processes import ROOT, Process, wait_until
from tests.support.system import System

START = ROOT / "deploy" / "nginx" / "start.sh"
READY_S = 20


class Proxy:
    """nginx in front of `api_ports`. `environ` is for start.sh."""

    def __init__(self, folder: Path, api_ports: list[int], environ: dict[str, str] | None = None) -> None:
        self.run_dir = folder / "run"
        self.certificate_dir = folder / "certificate"
        self.certificate_dir.mkdir(parents=True, exist_ok=True)
        self.port, self.tls_port = free_port(), free_port()
        self.url, self.tls_url = f"http://127.0.0.1:{self.port}", f"https://127.0.0.1:{self.tls_port}"
        self._environ = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "RUN_DIR": str(self.run_dir),
            "CERTIFICATE_DIR": str(self.certificate_dir),
            "HTTP_LISTEN": f"127.0.0.1:{self.port}",
            "HTTPS_LISTEN": f"127.0.0.1:{self.tls_port}",
            "API_SERVERS": ",".join(f"127.0.0.1:{port}" for port in api_ports),
            "RESOLVER": "127.0.0.1",
            **(environ or {}),
        }
        self.start()

    def start(self) -> None:
        as_root = ["-g", "user root;"] if os.geteuid() == 0 else []  # containers use one ordinary user
        self.process = Process(["sh", str(START), *as_root], self._environ)
        wait_until(self._listens, "the proxy listens", READY_S)

    def client(self, address: str = "127.0.0.1") -> httpx.Client:
        """Return a client that verifies the proxy's certificate. Tests use several addresses: each has its limits."""
        context = ssl.create_default_context(cafile=str(self.certificate_dir / "tls.crt"))
        transport = httpx.HTTPTransport(verify=context, local_address=address)
        return httpx.Client(base_url=self.tls_url, transport=transport, timeout=30)

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        """Open a connection to the plain port."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(address, 0))

    def worker_pids(self) -> list[int]:
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in children.split()]

    def _listens(self) -> bool:
        assert self.process.status is None, self.process.output
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@contextlib.contextmanager
def another_api(system: System, port: int) -> Iterator[Process]:
    """Run one more API process of the same system."""
    process = system.start_api(port)
    try:
        yield process
    finally:
        process.stop()


def received_until_closed(connection: socket.socket) -> bytes:
    """Read until the server closes the connection, which is a reset if the server left bytes unread."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(1 << 16):
            received += data
    return received
