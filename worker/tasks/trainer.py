"""The trainer, a Celery worker for trainings alone: `celery -A worker.tasks.trainer worker --pool threads
--concurrency 1`.

On the inference workers' broker, so that Flower shows it beside them, with a queue of its own. Each stage of a training
is a process aside (`worker/tasks/retraining/`).
"""

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from celery import Celery, Task
from celery.exceptions import Ignore
from celery.worker import state as worker_state
from kombu.exceptions import OperationalError
from redis.exceptions import RedisError

from shared.config.settings import Settings, load_settings
from shared.errors import SettingError
from shared.redis.connection import Client, worker_client
from worker.celery_app import make_celery
from worker.tasks.retraining.child import Taken, Unwanted
from worker.tasks.retraining.claimed import Held
from worker.tasks.retraining.judge import judge
from worker.tasks.retraining.pipeline import Outcome, Pipeline, StageFailed
from worker.tasks.retraining.register import Register, Training
from worker.tasks.retraining.step import TASK, TrainerStep, stopping

QUEUE = "mnistified-training"
MAX_ATTEMPTS = 10  # a training that was cut short more often is what ends its trainers

logger = logging.getLogger(__name__)


class TrainingFailed(Exception):
    """For Celery and Flower; the training's hash says more."""


def make_app(settings: Settings) -> Celery:
    """Raises SettingError for a registry that a trainer cannot publish to."""
    if not isinstance(settings.models_dir, Path):
        raise SettingError("MODELS_DIR is a URL: a trainer publishes to a folder")
    app = make_celery("mnistified-trainer", settings)
    app.conf.update(
        task_default_queue=QUEUE,
        # A message has nothing in it that is not in the sorted set; unacknowledged for longer than the broker's
        # visibility time-out it would come again.
        task_acks_late=False,
        task_send_sent_event=True,
    )
    app.steps["worker"].add(TrainerStep)
    return app


app = make_app(load_settings(os.environ))


@app.task(bind=True, name=TASK)  # type: ignore[untyped-decorator]
def train(self: Task, model: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Carry out the training of the task's own id, as its hash has it; the arguments are for those who watch."""
    settings = app.settings
    training_id: str = self.request.id
    with worker_client(settings, patient=False) as client:
        register = Register(client, self.request.hostname, settings.training_ttl_s, settings.worker_ttl_s)
        attempt = register.begin(training_id)
        training = register.read(training_id) if attempt else None
        if training is None:
            logger.info("training %s is not for this trainer to begin", training_id)
            raise Ignore
        held = Held(register, training_id, attempt, stopping, lambda: training_id in worker_state.revoked)
        try:
            outcome = carry_out(self, training, attempt, held, client)
            held.finish(outcome.state, outcome.fields)
        except Unwanted:
            held.let_go()
            show_end(self, register)
            raise Ignore from None
        except Taken:
            logger.warning("training %s: another process is still at it", training_id)
            raise Ignore from None
    shutil.rmtree(settings.trainer_dir / training_id, ignore_errors=True)
    logger.info("training %s: %s", training_id, outcome.state)
    if outcome.state == "failed":
        raise TrainingFailed(outcome.fields["reason"])
    return {"state": outcome.state, **outcome.fields}


@app.task(bind=True, name="mnistified.qa")  # type: ignore[untyped-decorator]
def qa(self: Task, model: str, champion: str | None = None, floor: float | None = None) -> dict[str, Any]:
    """The gate's verdict on `NAME@VERSION`, or on a name's latest version; `champion` and `floor` as the command has
    them. A version that does not pass is a result as well: `passed` is false.
    """
    task_id: str = self.request.id

    def wanted() -> bool:
        return not stopping.is_set() and task_id not in worker_state.revoked

    try:
        return judge(model, champion, None if floor is None else float(floor), app.settings, wanted)
    except Unwanted:
        raise Ignore from None


def carry_out(task: Task, training: Training, attempt: int, held: Held, client: Client) -> Outcome:
    """`failed` whatever it is that cannot be done. Raises Unwanted and Taken."""
    if attempt > MAX_ATTEMPTS:
        return Outcome("failed", {"reason": f"it was taken up {MAX_ATTEMPTS} times and never came to its end"})
    try:
        return Pipeline(training, attempt, held, client, app.settings, lambda told: show(task, told)).run()
    except StageFailed as failed:
        return Outcome("failed", {"reason": str(failed), "log": json.dumps(failed.log)})
    except RedisError as error:
        logger.warning("training %s goes on when Redis is back: %s", training.id, error)
        raise Unwanted from None
    except (Unwanted, Taken):
        raise
    except Exception as error:
        logger.exception("training %s", training.id)
        return Outcome("failed", {"reason": f"{type(error).__name__}: {error}"})


def show(task: Task, told: Mapping[str, Any]) -> None:
    """As the task's state in Celery's backend, and, in an event of our own, as its result in Flower's tables."""
    line = ", ".join(f"{name} {value}" for name, value in told.items() if value is not None)
    try:
        task.update_state(state="PROGRESS", meta=dict(told))
        task.send_event("task-progress", result=line)
    except (RedisError, OperationalError, OSError) as error:
        logger.warning("progress cannot be shown: %s", error)


def show_end(task: Task, register: Register) -> None:
    """Of a training that this trainer does not hold any more."""
    try:
        if register.is_open(task.request.id):
            show(task, {"stage": "interrupted: it goes on when a trainer takes it up again"})
            return
        task.backend.mark_as_revoked(task.request.id, "cancelled", request=task.request)
        task.send_event("task-cancelled", result="")  # `task-revoked` would not outrank progress
        shutil.rmtree(app.settings.trainer_dir / task.request.id, ignore_errors=True)
    except (RedisError, OperationalError, OSError) as error:
        logger.warning("the end of a training cannot be shown: %s", error)
