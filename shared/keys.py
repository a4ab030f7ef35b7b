"""Every Redis key and channel, and the fields of the hashes behind them.

A worker finishes an entry, and the API accepts one, by a script each (`worker/finish.lua`, `api/enqueue.lua`), so that
the counters and what they count change together.

`job:{id}` is a hash: `model`, `lane`, `created_ms`, `chunk_images`; `total` once the upload is complete; the counters
`done`, `failed`, `expired`, `cancelled`, in images; `finished_ms` once every image is in a final state.
"""

from typing import Literal

PREFIX = "mnistified:"
GROUP = "workers"
WORKERS = PREFIX + "workers"  # sorted set: worker name -> unix time (s) of its last heartbeat
JOBS_CHANNEL = PREFIX + "jobs"  # published: the id of a job that reached its final state

Lane = Literal["interactive", "bulk"]
LANES: tuple[Lane, Lane] = ("interactive", "bulk")


def stream(model: str, lane: Lane) -> str:
    """Stream of entries; `model` is a name without version. The consumer group is GROUP."""
    return f"{PREFIX}stream:{model}:{lane}"


def queued(model: str, lane: Lane) -> str:
    """Counter: images accepted on the stream and not yet in a final state."""
    return f"{PREFIX}queued:{model}:{lane}"


def result(entry_uid: str) -> str:
    """String: the block of an entry of single images."""
    return f"{PREFIX}result:{entry_uid}"


def waited(single_id: str) -> str:
    """String: the model of a single whose synchronous wait ran out, so that its id can be asked for."""
    return f"{PREFIX}waited:{single_id}"


def job(job_id: str) -> str:
    """Hash: see the top of this file."""
    return f"{PREFIX}job:{job_id}"


def job_blocks(job_id: str) -> str:
    """Hash: chunk number -> block."""
    return f"{PREFIX}job:{job_id}:blocks"


def job_manifests(job_id: str) -> str:
    """Hash: chunk number -> JSON of its names and its images that could not be read."""
    return f"{PREFIX}job:{job_id}:manifests"


def reply_channel(api: str) -> str:
    """Channel: the replies for one API process; a message is an entry's uid followed by its block."""
    return f"{PREFIX}reply:{api}"


def worker(name: str) -> str:
    """String: the JSON of a worker's last heartbeat."""
    return f"{PREFIX}worker:{name}"
