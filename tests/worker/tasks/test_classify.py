"""The Celery API: a foreign client, its worker, the API and an inference worker, all real processes."""

import base64
import json
import signal
import subprocess
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from celery.exceptions import Reject

import worker.tasks.classify
from mnistified import MnistifiedError, Unreachable
from mnistified.errors import error_of
from shared.contract.entry import REQUEST_ID
from shared.data.dataset import Split
from tests.support.processes import BIN, ROOT, Process, start_celery
from tests.support.registries import DEFAULT
from tests.support.system import READY_S, RedisServer, System, running
from tests.support.uploads import image_file
from tools.fit_accuracy.mnist_frames import mnist_frames
from worker.tasks.classify import request_id_of, retry_delay_s

CLIENT = ROOT / "tests/worker/support/celery_client.py"


def start_celery_api(system: System, redelivery_s: int = 300) -> Process:
    options = "--pool threads --concurrency 4 --queues mnistified.classify --hostname door@%h --loglevel info"
    environ = system.environ | {"DOOR_URL": system.url, "DOOR_REDELIVERY_S": str(redelivery_s)}
    celery_api = start_celery("worker", *options.split(), environ=environ, app="worker.tasks.classify")
    celery_api.wait_for_line(" ready.", READY_S)
    return celery_api


@pytest.fixture(scope="module")
def celery_api(system: System) -> Iterator[Process]:
    process = start_celery_api(system)
    yield process
    process.stop()


def run_client(system: System, mode: str, images: Any) -> Any:
    """Run the foreign client and return what it prints."""
    command = [str(BIN / "python"), str(CLIENT), system.redis_url, mode]
    done = subprocess.run(
        command, input=json.dumps(images), capture_output=True, text=True, timeout=55, cwd=CLIENT.parent
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def answered(status: int, retry_after: str | None = None) -> MnistifiedError:
    return error_of(status, {} if retry_after is None else {"retry-after": retry_after}, b"", 0.0)


@pytest.mark.parametrize(
    ("error", "expected_s"),
    [
        (Unreachable("refused"), 2),
        (answered(429, "7"), 7),
        (answered(503), 2),
        (answered(503, "3600"), 60),
        (answered(409, "1"), 1),
        (answered(409), None),
        (answered(413), None),
        (answered(500), None),
    ],
)
def test_a_task_is_retried_for_the_status_of_the_answer(error: MnistifiedError, expected_s: int | None) -> None:
    assert retry_delay_s(error) == expected_s


def test_a_task_is_delivered_again_if_redis_refuses_its_retry(monkeypatch: pytest.MonkeyPatch) -> None:
    class Retried:
        request = SimpleNamespace(id="a")

        def retry(self, countdown: int, exc: Exception) -> Exception:
            raise Reject(OSError("Redis is busy"), requeue=False)  # as Celery does, which drops the task

    def unavailable(*_: Any) -> None:
        raise answered(503)

    monkeypatch.setattr(worker.tasks.classify, "classify_over_http", unavailable)
    with pytest.raises(Reject) as rejected:
        worker.tasks.classify.answer(Retried(), b"", None, False)
    assert rejected.value.requeue


def over_http(system: System, test_set: Split, count: int) -> list[dict[str, Any]]:
    job_id = system.submit(json={"start": 0, "stop": count})
    system.finished(job_id)
    return system.items(job_id)


def agree(results: list[dict[str, Any]], items: list[dict[str, Any]]) -> None:
    assert [each["prediction"] for each in results] == [each["prediction"] for each in items]
    assert {each["model"] for each in results} == {DEFAULT.ref}
    np.testing.assert_allclose(
        [each["probabilities"] for each in results], [each["probabilities"] for each in items], rtol=0, atol=1e-6
    )


@pytest.mark.slow
def test_a_group_of_100_images_in_three_forms_gets_the_answers_of_http(
    system: System, celery_api: Process, test_set: Split
) -> None:
    forms = (
        lambda image: image.tolist(),
        lambda image: base64.b64encode(image.tobytes()).decode(),
        lambda image: base64.b64encode(image_file(image)).decode(),
    )
    images = [forms[index % 3](image) for index, image in enumerate(test_set.images[:100])]
    agree(run_client(system, "group", images), over_http(system, test_set, 100))


@pytest.mark.slow
def test_a_chain_ends_with_the_answers_of_its_last_task(system: System, celery_api: Process, test_set: Split) -> None:
    agree(run_client(system, "chain", test_set.images[:3].tolist()), over_http(system, test_set, 3))
    accepted = [json.loads(line) for line in system.api.output.splitlines() if '"job accepted"' in line]
    named = [line["request_id"] for line in accepted if f"[{line['request_id']}] received" in celery_api.output]
    assert named, "requests go by the ids of their tasks"


@pytest.mark.slow
def test_pictures_of_any_size_are_fitted_on_request(system: System, celery_api: Process, test_set: Split) -> None:
    frames = mnist_frames(test_set.images[:3], 1)
    images = [base64.b64encode(image_file(frame.astype(np.uint8))).decode() for frame in frames]
    assert [each["prediction"] for each in run_client(system, "fit", images)] == test_set.labels[:3].tolist()


@pytest.mark.slow
def test_a_task_may_have_any_id(system: System, celery_api: Process, test_set: Split) -> None:
    results = run_client(system, "ids", test_set.images[:1].tolist())
    assert [[each["prediction"] for each in result] for result in results] == [[int(test_set.labels[0])]] * 4
    assert "retry" not in celery_api.output.lower()


@pytest.mark.parametrize("task_id", ["zürich-7", "two\nlines", "a" * 300, "", "\ud800", "a b"])
def test_the_request_id_of_a_task_with_another_id_is_a_hash(task_id: str) -> None:
    assert REQUEST_ID.fullmatch(request_id_of(task_id))
    assert request_id_of(task_id) != request_id_of(task_id + "x")
    assert request_id_of("b5b1-7") == "b5b1-7"


@pytest.mark.slow
def test_an_error_is_readable_in_the_client(system: System, celery_api: Process) -> None:
    wrong: list[tuple[list[Any], str]] = [
        ([[[0] * 28] * 27], "image 0: expected 28 rows of 28 integers"),
        ([[[256] * 28] * 28], "image 0: expected 28 rows of 28 integers"),
        (["not base64!"], "image 0 is not base64"),
        ([base64.b64encode(b"hello").decode()], "image 0: the body (5 bytes) is not an image"),
        ([], "a list of 1 to 1000 images"),
    ]
    errors = run_client(system, "errors", [images for images, _ in wrong])
    for (name, message), (_, said) in zip(errors, wrong, strict=True):
        assert name == "BadImages"
        assert said in message


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_a_task_whose_worker_is_killed_in_the_middle_is_answered_by_the_next(
    redis_server: RedisServer, test_set: Split
) -> None:
    with running(redis_server.new_url(), api_in_thread=True) as own:
        own.workers["worker-1"].signal(signal.SIGSTOP)
        killed = start_celery_api(own, redelivery_s=1)
        images = json.dumps(test_set.images[:3].tolist())
        command = [str(BIN / "python"), str(CLIENT), own.redis_url, "chain"]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CLIENT.parent
        ) as client:
            assert client.stdin is not None
            client.stdin.write(images)
            client.stdin.close()
            killed.wait_for_line("received", READY_S)
            killed.signal(signal.SIGKILL)
            killed.wait()
            own.workers["worker-1"].signal(signal.SIGCONT)
            next_api = start_celery_api(own, redelivery_s=1)
            try:
                assert client.stdout is not None
                agree(json.loads(client.stdout.read()), over_http(own, test_set, 3))
            finally:
                next_api.stop()
