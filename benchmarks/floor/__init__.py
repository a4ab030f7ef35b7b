"""The floor: a service with as little code as the way of an image needs, for `python -m benchmarks.cost --floor`.

It has the service's route, engine and promises: an image is checked, written to a stream within a bound, answered once,
and its result is stored before the client gets it. It has no keys, ids, metrics, deadlines, leases or events, and it
handles no errors, so that it shows what these cost.
"""

STREAM, QUEUED = "floor", "floor:queued"  # keys in Redis
