"""The door for teams that run Celery: `send_task("mnistified.classify", [images], queue="mnistified.classify")`.

A small worker of its own, `celery -A worker.tasks.classify worker --pool threads --queues mnistified.classify`. Its
tasks hand
their images to the API: every bound, access rule and alias is in one place, and the images go the way of all others.
"""

import base64
import binascii
import os
from typing import Any

import httpx
import numpy as np
import orjson
from celery import Celery

from shared.config.settings import load_settings
from shared.images import IMAGE_BYTES, IMAGE_SIDE
from worker.celery_app import make_celery

QUEUE = "mnistified.classify"
MOST_IMAGES = 1000  # of one `mnistified.classify`
MOST_BULK_IMAGES = 10_000
MOST_RETRIES = 20
MOST_RETRY_S = 60
DEFAULT_RETRY_S = 2
POLL_S = 20.0
BUSY = (429, 503)


class BadImages(ValueError):
    """What was sent is no images; the message says which and why."""


class Refused(RuntimeError):
    """The service does not take this; the message is its own."""


class Busy(Exception):
    """The service has no room now."""

    def __init__(self, retry_s: int) -> None:
        super().__init__(f"the service is busy, again in {retry_s} s")
        self.retry_s = retry_s


def make_app() -> Celery:
    """On the plain broker URL: clients of other projects know no prefix."""
    app = make_celery("mnistified-door", load_settings(os.environ))
    app.conf.update(task_default_queue=QUEUE, task_reject_on_worker_lost=True)
    app.conf.broker_transport_options["visibility_timeout"] = app.settings.door_redelivery_s
    return app


app = make_app()


@app.task(name="mnistified.classify", bind=True, max_retries=MOST_RETRIES)  # type: ignore[untyped-decorator]
def classify(self: Any, images: Any, model: str | None = None, fit: bool = False) -> list[dict[str, Any]]:
    """`{"prediction", "probabilities", "model"}` for each of up to 1,000 images, in order; `fit` as `?fit=digit`."""
    return answer(self, images, asked_of(model, fit), MOST_IMAGES)


@app.task(name="mnistified.classify_bulk", bind=True, max_retries=MOST_RETRIES)  # type: ignore[untyped-decorator]
def classify_bulk(self: Any, images: Any, model: str | None = None, fit: bool = False) -> list[dict[str, Any]]:
    """The same for up to 10,000 images."""
    return answer(self, images, asked_of(model, fit), MOST_BULK_IMAGES)


def asked_of(model: str | None, fit: bool) -> dict[str, str]:
    """The query."""
    return ({"model": model} if model else {}) | ({"fit": "digit"} if fit else {})


def answer(task: Any, images: Any, params: dict[str, str], most: int) -> list[dict[str, Any]]:
    """Raises BadImages or Refused; where the service is busy, has the task tried again, MOST_RETRIES times at most."""
    lines = upload_of(images, most)
    try:
        return classify_over_http(lines, params, task.request.id)
    except Busy as busy:
        raise task.retry(countdown=busy.retry_s, exc=Refused(str(busy))) from None
    except httpx.TransportError as error:
        raise task.retry(countdown=DEFAULT_RETRY_S, exc=Refused(f"the service is away: {error}")) from None


def upload_of(images: Any, most: int) -> bytes:
    """NDJSON for the API. Raises BadImages."""
    if not isinstance(images, list) or not 0 < len(images) <= most:
        raise BadImages(f"expected a list of 1 to {most} images")
    return b"\n".join(orjson.dumps(encoded(image, index)) for index, image in enumerate(images))


def encoded(image: Any, index: int) -> str:
    """An image file in base64. Raises BadImages naming the image's index."""
    if isinstance(image, str):
        try:
            data = base64.b64decode(image, validate=True)
        except (binascii.Error, ValueError) as error:
            raise BadImages(f"image {index} is not base64: {error}") from None
        return base64.b64encode(as_bmp(data)).decode() if len(data) == IMAGE_BYTES else image
    wrong = BadImages(f"image {index}: expected 28 rows of 28 integers 0 to 255, or base64 of a file or of 784 bytes")
    if not isinstance(image, list) or len(image) != IMAGE_SIDE:
        raise wrong
    for row in image:
        if not isinstance(row, list) or len(row) != IMAGE_SIDE:
            raise wrong
        if not all(type(pixel) is int and 0 <= pixel <= 255 for pixel in row):
            raise wrong
    return base64.b64encode(as_bmp(bytes(pixel for row in image for pixel in row))).decode()


def as_bmp(pixels: bytes) -> bytes:
    """784 pixels as a grey BMP: 1,078 bytes of header and palette, and the rows from the last to the first."""
    head = b"BM" + np.array([1078 + IMAGE_BYTES, 0, 1078, 40, IMAGE_SIDE, IMAGE_SIDE], "<u4").tobytes()
    head += np.array([1, 8], "<u2").tobytes() + np.array([0, IMAGE_BYTES, 0, 0, 256, 256], "<u4").tobytes()
    palette = bytes(part for grey in range(256) for part in (grey, grey, grey, 0))
    return head + palette + np.frombuffer(pixels, np.uint8).reshape(IMAGE_SIDE, IMAGE_SIDE)[::-1].tobytes()


def classify_over_http(lines: bytes, params: dict[str, str], task_id: str) -> list[dict[str, Any]]:
    """A job of the images: a task that is delivered again finds the job that it made before, by its own id."""
    settings = app.settings
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": f"celery-{task_id}", "X-Request-ID": task_id}
    access = {"X-API-Key": settings.door_key} if settings.door_key else {}
    with httpx.Client(base_url=settings.door_url, headers=access, timeout=60, trust_env=False) as http:
        reply = taken(http.post("/mnist/classify/bulk", content=lines, headers=headers, params=params))
        path, job = reply.headers["location"], reply.json()
        while job["state"] in ("queued", "running"):
            job = taken(http.get(path, params={"wait": POLL_S})).json()
        items: list[dict[str, Any]] = []
        page = f"{path}/items?limit=10000"
        while page:
            content = taken(http.get(page)).json()
            items += content["items"]
            page = content["next"]
    for item in items:
        if item["state"] != "done":
            raise BadImages(f"image {item['index']}: {item['error'] or item['state']}")
    return [{key: item[key] for key in ("prediction", "probabilities")} | {"model": job["model"]} for item in items]


def taken(reply: httpx.Response) -> httpx.Response:
    """Raises Busy or Refused."""
    if reply.is_success:
        return reply
    if reply.status_code in BUSY or (reply.status_code == 409 and "still comes in" in reply.text):
        told = reply.headers.get("retry-after", "")
        raise Busy(min(int(told), MOST_RETRY_S) if told.isdecimal() else DEFAULT_RETRY_S)
    raise Refused(f"{reply.status_code}: {reply.json().get('detail', reply.text)[:500]}")
