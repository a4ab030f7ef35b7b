"""The Celery application of the inference workers: `celery -A worker.app worker --pool solo`."""

import os

from celery import Celery

import worker.control  # noqa: F401, makes its commands known
from shared.config.settings import Settings, load_settings
from worker.celery_app import make_celery
from worker.step import BatchingStep


def make_app(settings: Settings) -> Celery:
    """Create the application. Its workers receive no tasks: BatchingStep does all of their work."""
    app = make_celery("mnistified", settings)
    app.conf.worker_pool = "solo"
    app.steps["worker"].add(BatchingStep)
    return app


app = make_app(load_settings(os.environ))
