"""A job's life cycle in the log, in the same words whoever writes them: the API accepts it, mostly a worker ends it."""

import logging
from collections.abc import Mapping

from shared.telemetry.logs import fields

logger = logging.getLogger(__name__)


def log_accepted(job_id: str, request_id: str, model: str, images: int, took_s: float, key: str) -> None:
    """`took_s` is how long the upload took; `key` is the name of the client's key, where there is one."""
    about = {"job": job_id, "request_id": request_id, "model": model, "images": images, "took_s": round(took_s, 3)}
    _log("job accepted", images, about | ({"key": key} if key else {}))


def log_finished(job_id: str, request_id: str, counts: Mapping[str, int], took_s: float) -> None:
    """`took_s` is from the job's beginning to its last result; `counts` is in images, by final state."""
    about = {"job": job_id, "request_id": request_id, **counts, "took_s": round(took_s, 3)}
    _log("job finished", sum(counts.values()), about)


def log_given_up(job_id: str, request_id: str, images: int, reason: str) -> None:
    """An upload that did not come to its end, so that its job never was one to its client."""
    about = {"job": job_id, "request_id": request_id, "images": images, "reason": reason}
    _log("upload given up", images, about)


def _log(what: str, images: int, about: Mapping[str, object]) -> None:
    """Jobs of one are single requests, and uploads of none were refused: there may be thousands a second."""
    logger.log(logging.DEBUG if images <= 1 else logging.INFO, what, extra=fields(**about))
