"""Every Redis key and channel, and the fields of the hashes behind them.

A worker finishes an entry, and the API accepts one, by a script each
(`worker/batching/finish.lua`, `api/queue/enqueue.lua`), so that
the counters and what they count change together.

The bulk lane of a model is SHARDS streams, which the workers read in turn. A job does not wait for all of a large job
that is on another shard. The interactive lane is one stream.

`queued:{model}:{lane}` is a hash that counts the entries between acceptance and a final state: `images`, `bytes`, and
for the bulk lane the images of each shard under its number.

`job:{id}` is a hash with the fields of `Job` in `shared/contract/job.py`. Its blocks, its manifests and the claim of
its Idempotency-Key live as long as the hash: OPEN_TTL_S until the job is final, and RESULT_TTL_S from then on.

All times in Redis are Redis's own: scripts call TIME, and processes use `shared/redis/clock.py`. The time to live of a
key that several jobs share is a constant, so that no job shortens it for the others.

`training:{id}` is a hash: `model`, `parameters` (JSON), `state`, `created_ms`, `key`; `attempt` (how often it was taken
up), `trainer`, `started_ms`, `lease_ms` (unix time until which nobody else takes it up) and `stage` once it was begun;
`progress`, `verdict` (JSON), `publishing` (a version's number), `version`, `promotion`, `reason`, `log` (JSON, its last
lines) as they come about; `finished_ms` once it is final.
"""

from shared.contract.lane import Lane

PREFIX = "mnistified:"
GROUP = "workers"
DRIFT_WINDOW_S = 3600  # length of a window of unix time, each of which has hashes of its own
SHARDS = 8  # streams of the bulk lane; workers and API must agree
MAX_OPEN_S = 7 * 86_400  # a job that is not final by then fails
OPEN_TTL_S = MAX_OPEN_S + 86_400  # time to live of everything that belongs to accepted images until they are final
WORKERS = PREFIX + "workers"  # sorted set: worker name -> unix time (s) of its last heartbeat
JOBS_CHANNEL = PREFIX + "jobs"  # published: the id of a job that reached its final state
OPEN_JOBS = PREFIX + "open-jobs"  # sorted set: id of a job that is not final -> unix time (ms) of its next check
DEADLINES = PREFIX + "deadlines"  # sorted set: job id -> unix time (ms) at which it expires
CALLBACKS = PREFIX + "callbacks"  # sorted set: id of a job whose callback is due -> unix time (ms) of the next attempt
DEAD_LETTERS = PREFIX + "dead-letters"  # stream: images that killed their workers, `h` a JSON header, `x` the pixels
ALIASES = PREFIX + "aliases"  # hash: `name/alias` -> JSON of shared/contract/alias.py; kept, being configuration
ALIASES_CHANNEL = PREFIX + "aliases"  # published: `name/alias` that has changed
CHANGES = PREFIX + "changes"  # stream, bounded: who changed which alias when, `c` a JSON object
TRAININGS_DUE = (
    PREFIX + "trainings-due"
)  # sorted set: id of a training that is not final -> unix time (ms) from which it may be taken up
TRAINERS = PREFIX + "trainers"  # sorted set: trainer name -> unix time (s) of its last heartbeat
DESIRED = PREFIX + "wanted"  # sorted set: `name@version` that workers should have loaded -> unix time (s) until which
NEVER_SET = PREFIX + "never-set"  # workers delete it to learn whether Redis accepts writes; a full Redis does
# A write that every condition of Redis which refuses writes refuses, too. The key is never read.
WRITE_CHECK = ("SET", PREFIX + "write-check", "1", "PX", "10000")
REHEARSAL = PREFIX + "rehearsal"  # exists only while a script tries the permissions
DEFERRED = PREFIX + "deferred"  # set: formats of entries that were met by workers that do not read them
LAYERS = PREFIX + "layers"  # list, bounded: the keys of layers blobs, oldest first; beyond the bound they go


def open_training_ttl_s(ttl_s: int) -> int:
    """Return the time to live of a training that is not final. `ttl_s` is the one of a final training."""
    return max(ttl_s, OPEN_TTL_S)


def stream(model: str, lane: Lane, shard: int = 0) -> str:
    """Stream of entries; `model` is a name without version. The consumer group is GROUP."""
    name = f"{PREFIX}stream:{model}:{lane}"
    return f"{name}:{shard}" if lane == "bulk" else name


def streams(model: str, lane: Lane) -> list[str]:
    """Return all streams of a lane, by shard."""
    return [stream(model, lane, shard) for shard in range(SHARDS if lane == "bulk" else 1)]


def deferred(entry_format: int) -> str:
    """Stream of the entries of a format that were met by workers that do not read it. There is no consumer group."""
    return f"{DEFERRED}:{entry_format}"


def moved(stream_key: str) -> str:
    """String: exists if entries of the stream were deferred lately. An entry that has left it is perhaps not lost."""
    return f"{PREFIX}moved:{stream_key.removeprefix(PREFIX)}"


def returned_entry(stream_key: str) -> str:
    """String: the id of the last deferred entry that was returned to the stream, where it has a new id."""
    return f"{stream_key}:returned"


def shard_of(stream_key: str) -> str:
    """Return the shard number of a bulk stream, which is a field of `queued`, or an empty string."""
    shard = stream_key.rpartition(":")[2]
    return shard if shard.isdecimal() else ""


def model_of(stream_key: str) -> str:
    """Return the name of the model whose entries a stream carries."""
    return stream_key.removeprefix(PREFIX).split(":")[1]


def duty(model: str) -> str:
    """String: exists while a worker holds the duty to reclaim expired leases of the model."""
    return f"{PREFIX}turn:{model}"


def queued(model: str, lane: Lane) -> str:
    """Hash: see the top of this file."""
    return f"{PREFIX}queued:{model}:{lane}"


def client(name: str) -> str:
    """Hash of an API key's use: `images` not yet in a final state, the `shard` of its jobs, and `arrival_ms`, its
    theoretical arrival time (GCRA) in unix time.
    """
    return f"{PREFIX}client:{name}"


def idempotency(client: str, key: str) -> str:
    """Hash: `job`, and once its upload is complete `fingerprint`; `key` is a hash of what the client sent."""
    return f"{PREFIX}idempotency:{client}:{key}"


def result(entry_uid: str) -> str:
    """String: the block of an entry of single images."""
    return f"{PREFIX}result:{entry_uid}"


def layers(uid: str) -> str:
    """String: the layers blob of a verbose entry, by the uid of the entry or of the job that it is part of."""
    return f"{PREFIX}layers:{uid}"


def timed_out_single(single_id: str) -> str:
    """String: JSON of a single image that timed out while its client waited, so that the result can be polled."""
    return f"{PREFIX}waited:{single_id}"


def dropped(entry_uid: str) -> str:
    """Set: positions in an entry of singles whose clients went away."""
    return f"{PREFIX}dropped:{entry_uid}"


def suspect(stream_key: str, entry_id: str) -> str:
    """Hash of a redelivered entry.

    `running:{consumer}` is the position that the consumer runs. A position is the number of workers that it killed.
    """
    return f"{PREFIX}suspect:{stream_key.removeprefix(PREFIX)}:{entry_id}"


def job(job_id: str) -> str:
    """Hash: see the top of this file."""
    return f"{PREFIX}job:{job_id}"


def job_blocks(job_id: str) -> str:
    """Hash: chunk number -> block."""
    return f"{PREFIX}job:{job_id}:blocks"


def job_callback(job_id: str) -> str:
    """Hash: a copy of a final job whose callback is not settled yet. The callback may be due for longer than the job.

    The scripts that end a job write it, under this name.
    """
    return f"{PREFIX}job:{job_id}:callback"


def job_manifests(job_id: str) -> str:
    """Hash: chunk number -> JSON of its names and its images that could not be read."""
    return f"{PREFIX}job:{job_id}:manifests"


def reply_channel(api: str) -> str:
    """Channel: the replies for one API process; a message is an entry's uid followed by its block."""
    return f"{PREFIX}reply:{api}"


def worker(name: str) -> str:
    """String: the JSON of a worker's last heartbeat."""
    return f"{PREFIX}worker:{name}"


def drift(ref: str, window: int) -> str:
    """Hash: `{histogram}:{bin}` of shared/contract/drift_histograms.py -> images of a version, `name@version`, in
    that window.
    """
    return f"{PREFIX}drift:{ref.replace('@', ':')}:{window}"


def drift_window(now_s: float) -> int:
    """Return the number of the window that a unix time is in."""
    return int(now_s // DRIFT_WINDOW_S)


def shadow(name: str, version: int, shadow_version: int) -> str:
    """Hash of images that a version had answered: `images` that the shadow was given copies of and answered, of them
    `agree`; `failed`, `skipped` for want of time; and `3>5` for each that the version took for a 3, the shadow for a 5.
    """
    return f"{PREFIX}shadow:{name}:{version}:{shadow_version}"


def trainings(model: str) -> str:
    """Sorted set: id of a training of that name -> unix time (ms) at which it was asked for."""
    return f"{PREFIX}trainings:{model}"


def training(training_id: str) -> str:
    """Hash: see the top of this file."""
    return f"{PREFIX}training:{training_id}"
