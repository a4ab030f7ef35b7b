"""The trainer, a Celery worker for trainings: `celery -A worker.tasks.trainer worker --pool threads --concurrency 1`.

It uses the inference workers' broker, so that Flower shows all of them, and a queue of its own. Each stage of a
training runs in its own process (`worker/tasks/retraining/`).
"""

import json
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore
from celery.worker import state as worker_state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.config.settings import Settings
from shared.contract.training import Training
from shared.errors import SettingError
from shared.redis.clients import SyncClient
from shared.redis.connection import worker_client
from worker.celery_app import make_celery, make_or_exit
from worker.tasks.retraining.child import FolderBusy, Stopped
from worker.tasks.retraining.judge import judge
from worker.tasks.retraining.lease import Lease
from worker.tasks.retraining.pipeline import Outcome, Pipeline, StageFailed
from worker.tasks.retraining.register import Register
from worker.tasks.retraining.step import TASK, TrainerStep, stopping

QUEUE = "mnistified-training"
MAX_ATTEMPTS = 10  # a training that was interrupted more often probably kills its trainers

logger = logging.getLogger(__name__)


class TrainingFailed(Exception):
    """The result for Celery and Flower. The training's hash says more."""


def make_app(settings: Settings) -> Celery:
    """Return the application. Raises SettingError for a registry that a trainer cannot publish to."""
    if not isinstance(settings.models_dir, Path):
        raise SettingError("MODELS_DIR is a URL: a trainer publishes to a folder")
    app = make_celery("mnistified-trainer", settings)
    app.conf.update(
        task_default_queue=QUEUE,
        # A lost message does no harm, because the sorted set has all that it says. A message that stays unacknowledged
        # for longer than the broker's visibility timeout would be delivered again.
        task_acks_late=False,
        task_send_sent_event=True,
    )
    app.steps["worker"].add(TrainerStep)
    return app


app = make_or_exit(make_app)


@app.task(bind=True, name=TASK)  # type: ignore[untyped-decorator]
def train(self: Task, model: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Carry out the training with the task's id, as its hash describes it. Flower shows the arguments."""
    settings = app.settings
    training_id: str = self.request.id
    with worker_client(settings, patient=False) as client:
        register = Register(client, self.request.hostname, settings.training_ttl_s, settings.worker_ttl_s)
        attempt = register.begin(training_id)
        training = register.read(training_id) if attempt else None
        if training is None:
            logger.info("training %s is final, or another trainer has it", training_id)
            raise Ignore
        lease = Lease(register, training_id, attempt, stopping, lambda: training_id in worker_state.revoked)
        try:
            outcome = carry_out(self, training, attempt, lease, client)
            lease.finish(outcome.state, outcome.fields)
        except Stopped:
            lease.release()
            show_end(self, register)
            raise Ignore from None
        except FolderBusy:
            logger.warning("training %s: another process still works on it", training_id)
            raise Ignore from None
    shutil.rmtree(settings.trainer_dir / training_id, ignore_errors=True)
    logger.info("training %s: %s", training_id, outcome.state)
    if outcome.state == "failed":
        raise TrainingFailed(outcome.fields["reason"])
    return {"state": outcome.state, **outcome.fields}


@app.task(bind=True, name="mnistified.qa")  # type: ignore[untyped-decorator]
def qa(self: Task, model: str, champion: str | None = None, floor: float | None = None) -> dict[str, Any]:
    """Return the gate's verdict on `NAME@VERSION` or a name's latest version, also if `passed` is false."""
    task_id: str = self.request.id

    def may_run() -> bool:
        return not stopping.is_set() and task_id not in worker_state.revoked

    try:
        return judge(model, champion, None if floor is None else float(floor), app.settings, may_run)
    except Stopped:
        raise Ignore from None


def carry_out(task: Task, training: Training, attempt: int, lease: Lease, client: SyncClient) -> Outcome:
    """Run the training. Any failure is an outcome too, `failed`. Raises Stopped and FolderBusy."""
    if attempt > MAX_ATTEMPTS:
        return Outcome("failed", {"reason": f"{MAX_ATTEMPTS} attempts were interrupted"})
    try:
        return Pipeline(training, attempt, lease, client, app.settings, lambda progress: show(task, progress)).run()
    except StageFailed as failed:
        return Outcome("failed", {"reason": str(failed), "log": json.dumps(failed.log)})
    except RedisError as error:
        logger.warning("training %s continues when Redis is back: %s", training.id, error)
        raise Stopped from None
    except (Stopped, FolderBusy):
        raise
    except Exception as error:
        logger.exception("training %s", training.id)
        return Outcome("failed", {"reason": f"{type(error).__name__}: {error}"})


def show(task: Task, progress: Mapping[str, Any]) -> None:
    """Write the task's state to Celery's backend, and send an event of our own for Flower's tables."""
    line = ", ".join(f"{name} {value}" for name, value in progress.items() if value is not None)
    try:
        task.update_state(state="PROGRESS", meta=dict(progress))
        task.send_event("task-progress", result=line)
    except (RedisError, OperationalError, OSError) as error:
        logger.warning("progress cannot be shown: %s", error)


def show_end(task: Task, register: Register) -> None:
    """Show the end of a training that this trainer has released."""
    try:
        if register.is_open(task.request.id):
            show(task, {"stage": "interrupted: it continues when a trainer takes it up again"})
            return
        task.backend.mark_as_revoked(task.request.id, "cancelled", request=task.request)
        task.send_event("task-cancelled", result="")  # `task-revoked` would not outrank progress
        shutil.rmtree(app.settings.trainer_dir / task.request.id, ignore_errors=True)
    except (RedisError, OperationalError, OSError) as error:
        logger.warning("the end of a training cannot be shown: %s", error)
