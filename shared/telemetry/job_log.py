"""Log lines about a job's life cycle. The API logs its start, and usually a worker logs its end."""

import logging
from collections.abc import Mapping

from shared.telemetry.logs import fields

logger = logging.getLogger(__name__)


def log_accepted(job_id: str, request_id: str, model: str, images: int, took_s: float, key: str) -> None:
    """Log an accepted job. `took_s` is the duration of the upload; `key` is the name of the client's key, or empty."""
    about = {"job": job_id, "request_id": request_id, "model": model, "images": images, "took_s": round(took_s, 3)}
    _log("job accepted", images, about | ({"key": key} if key else {}))


def log_finished(job_id: str, request_id: str, counts: Mapping[str, int], took_s: float) -> None:
    """Log the end of a job. `took_s` is its duration; `counts` are images by final state."""
    about = {"job": job_id, "request_id": request_id, **counts, "took_s": round(took_s, 3)}
    _log("job finished", sum(counts.values()), about)


def log_given_up(job_id: str, request_id: str, images: int, reason: str) -> None:
    """Log an upload that was not completed, so that its job was never accepted."""
    about = {"job": job_id, "request_id": request_id, "images": images, "reason": reason}
    _log("upload given up", images, about)


def _log(what: str, images: int, about: Mapping[str, object]) -> None:
    """Log at debug level for 0 images (a refused upload) or 1 (a single request), which may come by the thousands."""
    logger.log(logging.DEBUG if images <= 1 else logging.INFO, what, extra=fields(**about))
