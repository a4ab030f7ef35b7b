"""Callbacks as Celery tasks, in a small worker of their own: `celery -A worker.tasks.app worker --pool threads`.

They never run in an inference worker, so they cannot delay a batch.
"""

import logging
import time
from urllib.parse import urlsplit

from celery import Celery

from shared.config.settings import Settings
from shared.contract.job import CALLBACK_BODY_CODEC
from shared.redis.connection import worker_client
from worker.celery_app import make_celery, make_or_exit
from worker.tasks.beat import BeatStep
from worker.tasks.callbacks.post import Refused, post
from worker.tasks.callbacks.receiver_slots import ReceiverSlots
from worker.tasks.callbacks.schedule import LEASE_SPARE_S, QUEUE_WAIT_S, Schedule, retry_delay_s
from worker.tasks.callbacks.signature import callback_headers

SWEEP_EVERY_S = 1.0
MAX_PER_RECEIVER = 4  # concurrent callbacks to one receiver, out of all the worker's threads
SLOT_WAIT_S = 0.2  # enough for a quick receiver; a receiver that hangs must not occupy waiting threads
NO_SLOT_DELAY_S = 2.0

logger = logging.getLogger(__name__)


def make_app(settings: Settings) -> Celery:
    """Return an application with its own key prefix, so that Flower and `inspect` of inference workers omit it."""
    app = make_celery("mnistified-tasks", settings)
    app.conf.broker_transport_options["global_keyprefix"] = "mnistified:tasks:"
    app.conf.update(
        task_acks_late=False,  # a lost message does no harm: the sorted set has all that it says
        task_ignore_result=True,
        beat_schedule={
            "callbacks": {
                "task": "mnistified.callbacks",
                "schedule": SWEEP_EVERY_S,
                "options": {"expires": SWEEP_EVERY_S},
            }
        },
    )
    app.steps["worker"].add(BeatStep)
    for each_second in ("celery.worker.strategy", "celery.app.trace"):
        logging.getLogger(each_second).setLevel(logging.WARNING)
    # During an outage of Redis the consumer logs a line; Beat would add a traceback each second.
    logging.getLogger("celery.beat").setLevel(logging.CRITICAL)
    return app


app = make_or_exit(make_app)
slots = ReceiverSlots(MAX_PER_RECEIVER, SLOT_WAIT_S)


@app.task(name="mnistified.callbacks")  # type: ignore[untyped-decorator]
def send_due_callbacks() -> None:
    """Send a message for each callback that is due."""
    with worker_client(app.settings, patient=False) as client:
        for job_id in Schedule(client).claim():
            send_callback.apply_async((job_id,), expires=QUEUE_WAIT_S)


@app.task(name="mnistified.callback")  # type: ignore[untyped-decorator]
def send_callback(job_id: str) -> None:
    """Make one attempt. It is recorded before and after, so it also counts if this worker dies meanwhile."""
    with worker_client(app.settings, patient=False) as client:
        schedule = Schedule(client)
        callback = schedule.read(job_id)
        if callback is None:
            return
        with slots.take(urlsplit(callback.url).netloc) as free:
            if not free:
                schedule.delay(job_id, NO_SLOT_DELAY_S)
                return
            attempts = callback.attempts + 1
            if schedule.begin(job_id, attempts, app.settings.webhook_timeout_s + LEASE_SPARE_S):
                body = CALLBACK_BODY_CODEC.encode(callback.body)
                settle(schedule, job_id, attempts, attempt(job_id, callback.url, body))


def attempt(job_id: str, url: str, body: bytes) -> str | None:
    """Return None if the receiver has accepted the callback, else the reason."""
    settings = app.settings
    if not settings.webhook_secret:
        return "WEBHOOK_SECRET is not set"
    headers = callback_headers(settings.webhook_secret, str(int(time.time())), body, job_id)
    try:
        post(url, headers, body, timeout_s=settings.webhook_timeout_s, allow_private=settings.webhook_allow_private)
    except Refused as refused:
        return str(refused)
    return None


def settle(schedule: Schedule, job_id: str, attempts: int, reason: str | None) -> None:
    if reason is None:
        schedule.record(job_id, "delivered", attempts)
        logger.info("callback of %s delivered, attempt %d", job_id, attempts)
    elif attempts >= app.settings.webhook_attempts:
        schedule.record(job_id, "failed", attempts)
        logger.warning("callback of %s failed for good, attempt %d: %s", job_id, attempts, reason)
    else:
        delay_s = retry_delay_s(attempts)
        schedule.record(job_id, "waiting", attempts, delay_s)
        logger.info("callback of %s delayed by %.1f s, attempt %d: %s", job_id, delay_s, attempts, reason)
