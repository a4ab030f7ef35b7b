"""The client of MNISTified: classify single images, or folders of many thousand, with a remote service."""

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
from mnistified.results import Digit, Guess, Item, JobState, Result

__all__ = [
    "AccessDenied",
    "AsyncClient",
    "AsyncJob",
    "Client",
    "Conflict",
    "Digit",
    "Guess",
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
