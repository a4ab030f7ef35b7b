"""Client of MNISTified: classify an image, or a folder of a hundred thousand, at a service somewhere."""

from mnistified.asynchronous import AsyncClient, AsyncJob
from mnistified.client import Client, Job
from mnistified.errors import (
    AccessDenied,
    Conflict,
    MnistifiedError,
    NotFound,
    QueueFull,
    Refused,
    ServiceError,
    ServiceFailed,
    Unavailable,
    Unreachable,
)
from mnistified.results import Item, JobState, Result

__all__ = [
    "AccessDenied",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Conflict",
    "Item",
    "Job",
    "JobState",
    "MnistifiedError",
    "NotFound",
    "QueueFull",
    "Refused",
    "Result",
    "ServiceError",
    "ServiceFailed",
    "Unavailable",
    "Unreachable",
]
