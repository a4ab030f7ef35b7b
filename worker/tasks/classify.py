"""Classification tasks for other projects' Celery clients.

A client calls `send_task("mnistified.classify", [images], queue="mnistified.classify")`. These tasks run in a worker of
their own, `celery -A worker.tasks.classify worker --pool threads --queues mnistified.classify`. They submit the images
to the API, so every limit, access rule and alias applies to them too.
"""

import base64
import binascii
import hashlib
from typing import Any

import orjson
from celery import Celery
from celery.exceptions import Reject

from mnistified import Client, Conflict, Item, MnistifiedError, QueueFull, ServiceError, Unavailable, Unreachable
from mnistified.http.exchange import Body
from mnistified.uploads.png import write_png
from shared.config.settings import Settings
from shared.contract.entry import REQUEST_ID
from shared.shapes import IMAGE_BYTES, IMAGE_SIDE
from worker.celery_app import make_celery, make_or_exit

QUEUE = "mnistified.classify"
MAX_IMAGES = 1000  # per `mnistified.classify`
MAX_BULK_IMAGES = 10_000
MAX_RETRIES = 20
MAX_RETRY_S = 60
DEFAULT_RETRY_S = 2


class BadImages(ValueError):
    """The task's images cannot be read. The message says which and why."""


class Refused(RuntimeError):
    """The service does not do this task. The message is the service's own."""


def make_app(settings: Settings) -> Celery:
    """Return an application on the plain broker URL: clients of other projects know no key prefix."""
    app = make_celery("mnistified-door", settings)
    app.conf.update(task_default_queue=QUEUE, task_reject_on_worker_lost=True)
    app.conf.broker_transport_options["visibility_timeout"] = app.settings.door_redelivery_s
    return app


app = make_or_exit(make_app)


@app.task(name="mnistified.classify", bind=True, max_retries=MAX_RETRIES)  # type: ignore[untyped-decorator]
def classify(self: Any, images: Any, model: str | None = None, fit: bool = False) -> list[dict[str, Any]]:
    """Return `{"prediction", "probabilities", "model"}` for each of up to 1,000 images, in order."""
    return answer(self, upload_of(images, MAX_IMAGES), model, fit)


@app.task(name="mnistified.classify_bulk", bind=True, max_retries=MAX_RETRIES)  # type: ignore[untyped-decorator]
def classify_bulk(self: Any, images: Any, model: str | None = None, fit: bool = False) -> list[dict[str, Any]]:
    """Do the same for up to 10,000 images."""
    return answer(self, upload_of(images, MAX_BULK_IMAGES), model, fit)


def answer(task: Any, lines: bytes, model: str | None, fit: bool) -> list[dict[str, Any]]:
    """Classify the images; have Celery retry the task while the service is busy or away. Raises BadImages, Refused."""
    try:
        return classify_over_http(lines, model, fit, task.request.id)
    except MnistifiedError as error:
        delay_s = retry_delay_s(error)
        if delay_s is None:
            raise Refused(str(error)) from None
        try:
            raise task.retry(countdown=delay_s, exc=Refused(str(error))) from None
        except Reject:  # Redis refuses the message of the retry, and Celery would drop the task
            raise Reject(requeue=True) from None


def upload_of(images: Any, max_images: int) -> bytes:
    """Return the images as NDJSON. Raises BadImages."""
    if not isinstance(images, list) or not 0 < len(images) <= max_images:
        raise BadImages(f"expected a list of 1 to {max_images} images")
    return b"\n".join(orjson.dumps(encoded(image, index)) for index, image in enumerate(images))


def encoded(image: Any, index: int) -> str:
    """Return an image file in base64. Raises BadImages, which names the image's index."""
    if isinstance(image, str):
        try:
            data = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadImages(f"image {index} is not base64: {error}") from None
        return base64.b64encode(write_png(data, IMAGE_SIDE, IMAGE_SIDE)).decode() if len(data) == IMAGE_BYTES else image
    wrong = BadImages(f"image {index}: expected 28 rows of 28 integers 0 to 255, or base64 of a file or of 784 bytes")
    if not isinstance(image, list) or len(image) != IMAGE_SIDE:
        raise wrong
    for row in image:
        if not isinstance(row, list) or len(row) != IMAGE_SIDE:
            raise wrong
        if not all(type(pixel) is int and 0 <= pixel <= 255 for pixel in row):
            raise wrong
    pixels = bytes(pixel for row in image for pixel in row)
    return base64.b64encode(write_png(pixels, IMAGE_SIDE, IMAGE_SIDE)).decode()


def classify_over_http(lines: bytes, model: str | None, fit: bool, task_id: str) -> list[dict[str, Any]]:
    """Submit the images as a job and return its results.

    The task's id is the job's idempotency key, so a task that is delivered again finds the job that it made before.
    Raises BadImages, or MnistifiedError.
    """
    settings = app.settings
    upload = Body(lambda: iter([lines]), "application/x-ndjson", len(lines))
    headers = {"X-Request-ID": request_id_of(task_id)}
    with Client(settings.door_url, settings.door_key, retries=0, headers=headers, trust_env=False) as client:
        job = client.submit_body(upload, model=model, fit=fit, idempotency_key=f"celery-{task_id}")
        version = job.wait().model
        return [result_of(item, version) for item in job.items()]


def request_id_of(task_id: str) -> str:
    """Return a request id that the API accepts: the id of the task, or a hash of an id with other characters."""
    if REQUEST_ID.fullmatch(task_id):
        return task_id
    return hashlib.sha256(task_id.encode("utf-8", "surrogatepass")).hexdigest()


def result_of(item: Item, model: str | None) -> dict[str, Any]:
    """Return the result of one image. Raises BadImages if it has none."""
    if item.state != "done":
        raise BadImages(f"image {item.index}: {item.error or item.state}")
    return {"prediction": item.prediction, "probabilities": item.probabilities, "model": model}


def retry_delay_s(error: MnistifiedError) -> int | None:
    """Return the seconds until the task should run again, or None if the service has refused it for good.

    A 409 with Retry-After means that an earlier delivery of this task is still uploading its images.
    """
    if isinstance(error, Unreachable):
        return DEFAULT_RETRY_S
    assert isinstance(error, ServiceError)
    busy = isinstance(error, QueueFull | Unavailable) or (
        isinstance(error, Conflict) and error.retry_after_s is not None
    )
    if not busy:
        return None
    return DEFAULT_RETRY_S if error.retry_after_s is None else min(round(error.retry_after_s), MAX_RETRY_S)
