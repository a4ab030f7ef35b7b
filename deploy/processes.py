"""Free ports, and the process that holds a port or a folder, for error messages. Only Linux has the latter."""

import errno
import socket
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


def describe_process(pid: str) -> str:
    """Return the process with its command, as far as the system says."""
    if not pid.isdigit():
        return "another process"
    try:
        command = (PROC / pid / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    except OSError:
        command = ""
    return f"process {pid} ({command})" if command else f"process {pid}"


def port_holder(port: int) -> str | None:
    """Return the process that listens on the port of any address, or None if the system does not say."""
    inodes = {inode for table in ("tcp", "tcp6") for inode in _listening_inodes(table, port)}
    if not inodes:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for descriptors in PROC.glob("[0-9]*/fd"):
        try:
            if any(str(link.readlink()) in wanted for link in descriptors.iterdir()):
                return describe_process(descriptors.parent.name)
        except OSError:
            continue  # it has exited, or belongs to another user
    return "a process of another user"


def _listening_inodes(table: str, port: int) -> list[str]:
    try:
        rows = (PROC / "net" / table).read_text().splitlines()[1:]
    except OSError:
        return []
    sockets = (row.split() for row in rows)
    return [each[9] for each in sockets if each[3] == LISTENING and each[1].endswith(f":{port:04X}")]


def port_in_use(host: str, port: int) -> str | None:
    """Return why the port cannot be bound, with the process that holds it, or None if it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            holder = port_holder(port) if error.errno == errno.EADDRINUSE else None
            return f"{error.strerror}, by {holder}" if holder else str(error.strerror)
    return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
