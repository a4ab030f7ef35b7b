"""How a receiver knows that a callback is ours, and fresh: an HMAC over the time and the body."""

import hashlib
import hmac


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """The value of `MNISTified-Signature`; `timestamp` is that of `MNISTified-Timestamp`, in unix seconds."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def callback_headers(secret: str, timestamp: str, body: bytes, job_id: str) -> dict[str, str]:
    """Every header that is ours. The job's id lets a receiver drop what reached it twice."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "MNISTified",
        "MNISTified-Timestamp": timestamp,
        "MNISTified-Signature": sign(secret, timestamp, body),
        "Idempotency-Key": job_id,
    }
