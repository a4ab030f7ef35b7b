import pytest

from shared.contract.job import JOB_CODEC, MANIFEST_CODEC, Counts, Job, Manifest
from shared.errors import ContractError

FIELDS = {b"model": b"cnn@1", b"created_ms": b"1000", b"chunk_images": b"256", b"lane": b"bulk"}


def test_a_job_is_read_from_the_hash_that_it_was_written_to() -> None:
    job = Job(id="j1", model="cnn@1", created_ms=1000, chunk_images=256, client="null", deadline_ms=9)
    fields = JOB_CODEC.encode(job)
    assert fields.keys().isdisjoint({"id", "total", "cancelled", "finished_ms", "callback_url"}), (
        "scripts test for them"
    )
    assert JOB_CODEC.decode("j1", {name.encode(): str(value).encode() for name, value in fields.items()}) == job


def test_a_field_that_is_not_known_is_ignored_and_a_missing_counter_is_zero() -> None:
    job = JOB_CODEC.decode("j1", FIELDS | {b"done": b"2", b"mood": b"fine"})
    assert (job.counts, job.finished, job.callback) == (Counts(done=2), 2, None)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        (b"done", b"two", r"Expected `int`, got `str` - at `\$.done`"),
        (b"lane", b"fast", r"Invalid enum value 'fast' - at `\$.lane`"),
        (b"model", b"\xff", "can't decode"),
    ],
)
def test_a_malformed_job_is_named_with_its_field(field: bytes, value: bytes, fault: str) -> None:
    with pytest.raises(ContractError, match=f"j1 is not a job: .*{fault}"):
        JOB_CODEC.decode("j1", FIELDS | {field: value})


def test_a_manifest_is_stored_as_lists() -> None:
    manifest = Manifest(["a", "b"], [(1, "no image")])
    assert MANIFEST_CODEC.encode(manifest) == b'{"names":["a","b"],"errors":[[1,"no image"]]}'
    assert MANIFEST_CODEC.decode(MANIFEST_CODEC.encode(manifest)) == manifest
