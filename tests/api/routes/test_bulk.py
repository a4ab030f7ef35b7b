"""Bulk uploads over HTTP: every format, in order, nothing lost, one bad image alone."""

import base64
import gzip
import json
import socket
import zlib
from collections.abc import Callable
from typing import Any

import httpx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.routes.bulk import parse_range
from shared.data.dataset import Split
from shared.errors import BadParameter, BadUpload, NotFound
from tests.support.processes import pause
from tests.support.system import System
from tests.support.thoroughness import examples
from tests.support.uploads import idx, image_file, ndjson, noise, npy, tarred, zipped

Request = dict[str, Any]


NUMBERS = st.none() | st.booleans() | st.floats() | st.text() | st.integers(-20, 20) | st.integers()


@settings(max_examples=examples(300), deadline=None, database=None, derandomize=True)
@given(st.binary(max_size=50) | st.dictionaries(st.sampled_from(["start", "stop", "step"]), NUMBERS))
def test_a_range_is_within_the_test_set_or_refused(asked: bytes | dict[str, Any]) -> None:
    body = asked if isinstance(asked, bytes) else json.dumps(asked).encode()
    try:
        start, stop = parse_range(body, 10)
    except (BadUpload, BadParameter, NotFound):
        return
    assert 0 <= start < stop <= 10


@pytest.mark.parametrize("name", ["start", "stop"])
def test_a_range_of_lists_in_lists_is_refused_however_deep(name: str) -> None:
    body = f'{{"{name}": {"[" * 1000}{"]" * 1000}}}'.encode()
    with pytest.raises(BadParameter, match=rf"{name} \[+\.\.\.\]+ is not an integer"):
        parse_range(body, 10)


def files_of(images: np.ndarray) -> dict[str, bytes]:
    return {f"digits/{index:05}.png": image_file(image) for index, image in enumerate(images)}


def multipart(files: dict[str, bytes]) -> Request:
    return {"files": [("images", (name, data, "image/png")) for name, data in files.items()]}


ARRAY_REQUESTS: dict[str, Callable[[np.ndarray], Request]] = {
    "npy": lambda images: {"content": npy(images)},
    "npy.gz": lambda images: {"content": gzip.compress(npy(images))},
    "idx": lambda images: {"content": idx(images)},
    "idx.gz": lambda images: {"content": gzip.compress(idx(images))},
}
FILE_REQUESTS: dict[str, Callable[[dict[str, bytes]], Request]] = {
    "zip": lambda files: {"content": zipped(files.items())},
    "tar": lambda files: {"content": tarred(files.items())},
    "tar.gz": lambda files: {"content": gzip.compress(tarred(files.items()))},
    "ndjson": lambda files: {"content": ndjson(files.items()), "headers": {"Content-Type": "application/x-ndjson"}},
    "multipart": multipart,
}


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize("kind", ARRAY_REQUESTS)
def test_arrays_come_back_in_order(system: System, test_set: Split, kind: str) -> None:
    images, labels = test_set.images[:600], test_set.labels[:600]
    job_id = system.submit(**ARRAY_REQUESTS[kind](images))
    job = system.finished(job_id)
    total = len(images)
    assert (job["state"], job["total"], job["counts"]["done"]) == ("done", total, total)
    items = system.items(job_id)
    assert [item["index"] for item in items] == list(range(total))
    assert np.mean([item["prediction"] for item in items] == labels) > 0.98


@pytest.mark.usefixtures("mnist")
@pytest.mark.parametrize("kind", FILE_REQUESTS)
def test_files_come_back_in_order_with_names_and_a_bad_one_fails_alone(
    system: System, test_set: Split, kind: str
) -> None:
    files = files_of(test_set.images[:300])
    names = list(files)
    files[names[0]] = image_file(np.zeros((29, 28), np.uint8))
    files[names[290]] = b"not an image"
    job_id = system.submit(**FILE_REQUESTS[kind](files))
    job = system.finished(job_id)
    assert (job["state"], job["total"]) == ("done_with_errors", 300)
    assert job["counts"] == {"done": 298, "unsure": 0, "failed": 2, "expired": 0, "cancelled": 0}
    items = system.items(job_id)
    assert [item["name"] for item in items] == names
    assert [item["index"] for item in items if item["state"] == "failed"] == [0, 290]
    assert "28×29" in items[0]["error"]
    assert items[0]["prediction"] is None
    good = [item for item in items if item["state"] == "done"]
    labels = np.delete(test_set.labels[:300], [0, 290])
    assert np.mean([item["prediction"] for item in good] == labels) > 0.98


def test_an_array_of_0_and_1_is_classified_and_its_blank_image_fails(system: System, test_set: Split) -> None:
    images = test_set.images[:5] > 127
    images[3] = False
    job_id = system.submit(content=npy(images))
    assert system.finished(job_id)["counts"] == {"done": 4, "unsure": 0, "failed": 1, "expired": 0, "cancelled": 0}
    items = system.items(job_id)
    assert [item["prediction"] for item in items] == [*test_set.labels[:3], None, test_set.labels[4]]
    assert "no contrast" in items[3]["error"]


def test_a_job_of_nothing_but_bad_images_ends_with_errors(system: System) -> None:
    job_id = system.submit(content=zipped([("a.png", b"no"), ("b.png", b"image")]))
    job = system.finished(job_id)
    assert (job["state"], job["counts"]["failed"]) == ("done_with_errors", 2)


def test_a_range_of_the_test_set_is_classified(system: System, test_set: Split) -> None:
    job_id = system.submit(json={"start": 40, "stop": 43})
    system.finished(job_id)
    assert [item["prediction"] for item in system.items(job_id)] == test_set.labels[40:43].tolist()


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"start": 0, "stop": 10**9}, 404),
        ({"start": 5, "stop": 5}, 404),
        ({"start": "0"}, 422),
        ({"from": 0}, 422),
        ([1, 2], 415),
    ],
)
def test_a_bad_range_is_refused(system: System, body: object, status: int) -> None:
    assert system.http.post("/mnist/classify/bulk", json=body).status_code == status


CURL = {"Content-Type": "application/x-www-form-urlencoded"}


def one(test_set: Split) -> bytes:
    return image_file(test_set.images[0])


@pytest.mark.parametrize("headers", [{}, CURL, {"Content-Type": "application/json"}, {"Content-Type": "text/plain"}])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["", "byte order mark"])
def test_json_is_read_under_any_content_type(
    system: System, test_set: Split, headers: dict[str, str], mark: bytes
) -> None:
    lines = ndjson(files_of(test_set.images[:9]).items())
    for body, total in (
        (b'{"start": 0, "stop": 3}', 3),
        (lines, 9),
        (b'"' + base64.b64encode(one(test_set)) + b'"', 1),
    ):
        job = system.finished(system.submit(content=mark + body, headers=headers))
        assert (job["state"], job["total"]) == ("done", total)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "x-gzip"])
@pytest.mark.parametrize("kind", ["npy", "range", "multipart"])
def test_a_compressed_upload_is_unpacked(system: System, test_set: Split, encoding: str, kind: str) -> None:
    form = httpx.Request("POST", system.url, files=[("file", ("a.png", one(test_set), "image/png"))])
    body, content_type = {
        "npy": (npy(test_set.images[:1]), "application/x-npy"),
        "range": (b'{"start": 0, "stop": 1}', "application/json"),
        "multipart": (form.read(), form.headers["content-type"]),
    }[kind]
    packed = zlib.compress(body) if encoding == "deflate" else gzip.compress(body)
    job_id = system.submit(content=packed, headers={"Content-Type": content_type, "Content-Encoding": encoding})
    assert system.finished(job_id)["counts"]["done"] == 1


@pytest.mark.parametrize(
    ("body", "content_type", "status", "said"),
    [
        (b'[{"image": "a"}]', "application/json", 415, 'JSON array starting with b\'[{"image"'),
        (b'{"images": ["' + b"a" * 9999 + b'"]}', "application/json", 415, "application/x-ndjson"),
        (b'{"images": ["' + b"a" * 9999 + b'"]}', "application/x-www-form-urlencoded", 415, "application/x-ndjson"),
        (b'{"start": 0, "stop": 3', "application/x-www-form-urlencoded", 415, "application/x-ndjson"),
        (b"{'start': 0, 'stop': 3}", "", 415, "application/x-ndjson"),
        (b'{\n  "image": "' + b"a" * 9999 + b'"\n}', "", 415, "a JSON document of several lines"),
        (b'{"begin": 0, "stop": 100}', "", 422, "got 'begin', 'stop'; images are lines"),
        (b"\x89PNG\r\n\x1a\n" + bytes(99), "image/png", 415, "send one image to /mnist/classify"),
        (b"BZh91AY&SY", "", 415, "it is bzip2: pack it as zip, or compress it with gzip"),
        (b"\xff\xfe{\0", "application/json", 415, "it is UTF-16: save it as UTF-8"),
        (b"\0\0\0\x18ftypheic" + bytes(99), "image/heic", 415, "a HEIC or AVIF photo"),
    ],
)
def test_what_is_no_upload_says_what_was_found_and_what_to_send(
    system: System, body: bytes, content_type: str, status: int, said: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}
    reply = system.http.post("/mnist/classify/bulk", content=body, headers=headers)
    assert (reply.status_code, said in reply.json()["detail"]) == (status, True), reply.text


@pytest.mark.parametrize(
    ("request_", "status", "said"),
    [
        ({"content": b""}, 400, "empty"),
        ({"content": b"what is this?"}, 415, "npy"),
        ({"content": npy(np.full((4, 28, 28), "7"))}, 400, "<U1"),
        ({"content": npy(noise(4) - 1000.0)}, 400, "range from -1000 to -745"),
        ({"content": npy(np.zeros((4, 30, 28), np.uint8))}, 400, "[4, 30, 28]"),
        ({"content": npy(noise(4))[:-10]}, 400, "ends after 3"),
        ({"content": npy(np.array([{}], object))}, 400, "object"),
        ({"content": idx(np.zeros((0, 28, 28), np.uint8))}, 400, "no images"),
        ({"content": b"PK\x03\x04 broken"}, 400, "zip"),
    ],
)
def test_an_unreadable_upload_is_refused_and_says_why(
    system: System, request_: Request, status: int, said: str
) -> None:
    reply = system.http.post("/mnist/classify/bulk", **request_)
    assert reply.status_code == status
    assert said in reply.json()["detail"]


def test_an_upload_that_breaks_off_leaves_nothing_queued(system: System) -> None:
    """2,000 of the 3,000 images that the header promises were queued before the end came."""
    body = idx(noise(3000))[: 2000 * 784]
    assert system.http.post("/mnist/classify/bulk", content=body).status_code == 400
    while system.http.get("/status").json()["queues"]["cnn"]["bulk"]["images"]:
        pause()  # the test's own time-out says when this has failed


def test_a_declared_length_over_the_bound_is_refused_unread(system: System) -> None:
    with socket.create_connection(("127.0.0.1", system.port), timeout=10) as connection:
        connection.sendall(
            b"POST /mnist/classify/bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1099511627776\r\n\r\n"
        )
        assert connection.recv(1000).startswith(b"HTTP/1.1 413 ")


@pytest.mark.slow
def test_all_10000_images_through_idx_and_zip_have_the_published_accuracy(system: System, mnist: Split) -> None:
    published = system.http.get("/status").json()["model"]["accuracy"]
    for request in ({"content": idx(mnist.images)}, {"content": zipped(files_of(mnist.images).items())}):
        job_id = system.submit(**request)
        job = system.finished(job_id)
        assert job["counts"]["done"] == 10_000
        items = system.items(job_id)
        assert [item["index"] for item in items] == list(range(10_000))
        right = int(np.sum([item["prediction"] for item in items] == mnist.labels))
        assert right == published["correct"]
        assert right >= 9950
