"""The Celery application of the inference workers: `celery -A worker.app worker --pool solo`."""

from celery import Celery

import worker.control  # noqa: F401, makes its commands known
from shared.config.settings import Settings
from worker.celery_app import make_celery, make_or_exit
from worker.step import BatchingStep


def make_app(settings: Settings) -> Celery:
    """Create the application. Its workers receive no tasks: BatchingStep does all of their work."""
    app = make_celery("mnistified", settings)
    app.conf.worker_pool = "solo"
    app.steps["worker"].add(BatchingStep)
    return app


app = make_or_exit(make_app)
