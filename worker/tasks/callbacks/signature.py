"""The signature of a callback, an HMAC over time and body: it proves the sender and the age."""

import hashlib
import hmac


def sign(secret: str, timestamp: str, body: bytes) -> str:
    """Return the value of `MNISTified-Signature`. `timestamp` is the `MNISTified-Timestamp`, in unix seconds."""
    return "sha256=" + hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def callback_headers(secret: str, timestamp: str, body: bytes, job_id: str) -> dict[str, str]:
    """Return all headers. The job's id lets a receiver drop duplicates."""
    return {
        "Content-Type": "application/json",
        "User-Agent": "MNISTified",
        "MNISTified-Timestamp": timestamp,
        "MNISTified-Signature": sign(secret, timestamp, body),
        "Idempotency-Key": job_id,
    }
