"""Runs the programs of the Procfile as child processes: restarts those that exit, collects their output, stops them.

One thread does all of it, so that a function may run between fork and exec.
"""

import contextlib
import os
import selectors
import signal
import time
from collections.abc import Callable, Iterable, Mapping

from deploy.local.program import Program, describe_status
from deploy.run_dir import LogFile
from shared.errors import MnistifiedError

STOP_S = 45.0  # longer than a worker's warm shutdown and the API's longest wait
# Programs stop in this order: what sends work, then what does it, then what holds it.
LAST_TO_STOP = ("worker", "redis")
STEADY_S = 10.0  # a program that has run for so long is restarted at once
MAX_RESTART_DELAY_S = 10.0
MAX_EARLY_EXITS = 2  # exits of one program before the service is ready, after which the start fails
TICK_S = 0.2
READ_BYTES = 1 << 16


class StoppedError(Exception):
    """A signal asked for the end."""


class Supervisor:
    """Child processes, and the loop that watches them. `say` prints a line for the person who started us."""

    def __init__(
        self, environ: Mapping[str, str], log: LogFile, say: Callable[[str], None], inherited: Iterable[int] = ()
    ) -> None:
        self._environ, self._log, self._say, self._inherited = environ, log, say, tuple(inherited)
        self._programs: list[Program] = []
        self._selector = selectors.DefaultSelector()
        self._signals = 0
        self._terminal = find_terminal()
        self._ready = False
        self._wake_in, self._wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC) if hasattr(os, "pipe2") else _pipe()
        self._selector.register(self._wake_in, selectors.EVENT_READ)

    def handle_signals(self) -> None:
        """Stop at INT, TERM and HUP, the end of a terminal.

        An ignored HUP stays ignored only if we have no terminal, as with `nohup`: many other programs ignore it for us.
        """
        signal.set_wakeup_fd(self._wake_out, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only wakes the loop
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN or self._terminal is not None:
                signal.signal(signum, self._on_signal)

    def start(self, kind: str, name: str, command: str) -> None:
        program = Program(kind, name, command)
        self._programs.append(program)
        self._spawn(program)

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Watch the programs until `condition` holds.

        Raises StoppedError at a signal, and MnistifiedError with the last lines of a program that keeps exiting.
        """
        while not condition():
            self._watch()
        self._check_signals()

    def watch(self) -> None:
        """Watch the programs until a signal, which raises StoppedError."""
        self._ready = True
        while True:
            self._watch()

    def stop(self) -> None:
        """Stop all programs. A program that has not exited within STOP_S, or at the second signal, is killed."""
        for stage in self._stages():
            for program in stage:
                program.send(signal.SIGTERM)
            deadline_s = time.monotonic() + STOP_S
            while any(program.alive for program in stage) and time.monotonic() < deadline_s and self._signals < 2:
                self._read(TICK_S)
            for program in stage:
                program.send(signal.SIGKILL)
        for program in self._programs:
            if program.process is not None:
                program.process.wait()
        self._read(0)
        for key in list(self._selector.get_map().values()):
            self._selector.unregister(key.fileobj)
            if key.data is not None:
                key.fileobj.close()  # type: ignore[union-attr]
        self._programs.clear()

    def close(self) -> None:
        """Stop all programs, and release what this object holds."""
        self.stop()
        self._selector.close()
        os.close(self._wake_in)
        os.close(self._wake_out)

    def _stages(self) -> list[list[Program]]:
        """Return the programs in the order of their end."""
        first = [program for program in self._programs if program.kind not in LAST_TO_STOP]
        return [first, *([program for program in self._programs if program.kind == kind] for kind in LAST_TO_STOP)]

    def _on_signal(self, signum: int, frame: object) -> None:
        self._signals += 1
        if self._signals > 1:
            self._say("stopping at once")

    def _check_signals(self) -> None:
        """Raises StoppedError at a signal, and at the end of our terminal.

        The kernel sends a HUP only to the leader of the session. GNU make, for one, does not pass it on, and waits.
        """
        if self._terminal is not None and not os.isatty(self._terminal):
            self._signals += 1
            self._terminal = None
        if self._signals:
            raise StoppedError

    def _watch(self) -> None:
        self._check_signals()
        self._read(TICK_S)
        self._check_signals()
        now_s = time.monotonic()
        for program in self._programs:
            if program.process is not None and program.process.poll() is not None:
                self._exited(program, now_s)
            if program.process is None and now_s >= program.restart_s:
                self._spawn(program)

    def _exited(self, program: Program, now_s: float) -> None:
        assert program.process is not None
        self._read(0)
        status = describe_status(program.process.returncode)
        program.process = None
        program.early_exits = program.early_exits + 1 if now_s - program.started_s < STEADY_S else 0
        if not self._ready and program.early_exits >= MAX_EARLY_EXITS:
            raise MnistifiedError(f"{program.name} {status}:\n" + "\n".join(f"  {line}" for line in program.tail))
        delay_s = min(2.0 ** (program.early_exits - 1), MAX_RESTART_DELAY_S) if program.early_exits else 0.0
        program.restart_s = now_s + delay_s
        message = f"{program.name} {status}, and starts again"
        self._write(f"run | {message}")
        self._say(message)

    def _spawn(self, program: Program) -> None:
        output = program.spawn(self._environ, self._inherited)
        self._selector.register(output, selectors.EVENT_READ, program)

    def _read(self, timeout_s: float) -> None:
        """Write the output that has arrived to the log. Return after `timeout_s` at the latest."""
        for key, _ in self._selector.select(timeout_s):
            data = b""
            with contextlib.suppress(BlockingIOError):
                data = os.read(key.fd, READ_BYTES)
            if key.data is None:
                continue  # a signal
            program: Program = key.data
            if not data:
                self._selector.unregister(key.fileobj)
                key.fileobj.close()  # type: ignore[union-attr]
            for text in program.lines(data):
                self._write(text if text.startswith("{") else f"{program.name} | {text}")

    def _write(self, line: str) -> None:
        self._log.write(f"{line}\n")


def find_terminal() -> int | None:
    """Return the descriptor of our terminal, or None."""
    return next((descriptor for descriptor in (0, 1, 2) if os.isatty(descriptor)), None)


def _pipe() -> tuple[int, int]:
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    return ends
