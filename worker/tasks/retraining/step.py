"""The thread of a trainer that writes heartbeats, sends messages for trainings that are due, and stops the trainer."""

import logging
import shutil
import threading
from collections.abc import Callable
from typing import Any

import msgspec
from celery import bootsteps
from celery.worker import state as worker_state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.redis.connection import worker_client
from shared.telemetry.seldom import SeldomLog
from worker.tasks.retraining.register import MESSAGE_WAIT_S, Register
from worker.threads import start_thread

SWEEP_EVERY_S = 1.0
TASK = "mnistified.train"

logger = logging.getLogger(__name__)
seldom = SeldomLog(logger)
stopping = threading.Event()  # process-wide


class TrainerStep(bootsteps.StartStopStep):  # type: ignore[misc]
    """Celery calls `start` before it reports ready, `stop` on TERM, and `terminate` on QUIT."""

    requires = frozenset({"celery.worker.components:Pool"})
    _thread: threading.Thread | None = None
    _quiet_sweeps = 0

    def start(self, parent: Any) -> None:
        self._app = parent.app
        self._settings = parent.app.settings
        self._name = parent.hostname
        stopping.clear()
        self._thread = start_thread("sweep", self._run)

    def stop(self, parent: Any) -> None:
        stopping.set()
        if self._thread is not None:
            self._thread.join()

    terminate = stop

    def _run(self) -> None:
        while not stopping.is_set():
            log_outages(self._serve)  # raises if Redis is away when the connection is opened
            stopping.wait(SWEEP_EVERY_S)

    def _serve(self) -> None:
        with worker_client(self._settings, patient=False) as client:
            register = Register(client, self._name, self._settings.training_ttl_s, self._settings.worker_ttl_s)
            log_outages(lambda: self._clear_folders(register))
            while not stopping.is_set():
                log_outages(lambda: self._sweep(register))
                stopping.wait(SWEEP_EVERY_S)
            log_outages(register.leave)

    def _sweep(self, register: Register) -> None:
        """Claim one training at a time: a message that waits here would keep its training from idle trainers."""
        register.write_heartbeat()
        if self._quiet_sweeps or worker_state.reserved_requests:
            self._quiet_sweeps = max(0, self._quiet_sweeps - 1)
            return
        training_id = register.claim()
        training = register.read(training_id) if training_id else None
        if training is None:
            return
        if training.id in worker_state.revoked:  # Celery would always discard the message
            register.cancel(training.id, register.begin(training.id))
            return
        self._app.send_task(
            TASK,
            kwargs={"model": training.model, "parameters": msgspec.to_builtins(training.parameters)},
            task_id=training.id,
            expires=MESSAGE_WAIT_S,
        )
        self._quiet_sweeps = round(MESSAGE_WAIT_S / SWEEP_EVERY_S)  # until the message has arrived or expired

    def _clear_folders(self, register: Register) -> None:
        """Delete the folders of trainings that ended while no trainer ran."""
        for folder in self._settings.trainer_dir.glob("t*"):
            if not register.is_open(folder.name):
                shutil.rmtree(folder, ignore_errors=True)


def log_outages(act: Callable[[], object]) -> None:
    try:
        act()
    except (RedisError, OperationalError, OSError) as error:
        seldom.log(logging.WARNING, f"trainings cannot be polled: {error}")
