"""The synchronous client: every method blocks until there is an answer."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar, Unpack
from urllib.parse import urlencode

import httpx

from mnistified.http import calls
from mnistified.http.exchange import Body, Call, Exchange, Pause, Reply, unreachable
from mnistified.options import ClassifyOptions, body_options, query_of, read_options
from mnistified.results import Item, JobHandle, JobState, Result
from mnistified.uploads.bodies import Pictures, body_of
from mnistified.uploads.images import Picture, image_file

T = TypeVar("T")


class Client:
    """A pool of connections to a service. Threads can share it. Close it, or use it with `with`.

    `url` and `key` default to the variables MNISTIFIED_URL and MNISTIFIED_KEY. A request waits for its answer for
    `timeout_s`. Failed connections and the statuses 429 and 503 are retried up to `retries` times. Each pause is longer
    than the last one, and at least as long as `Retry-After`. `headers` are sent with every request. `trust_env=False`
    ignores HTTP_PROXY and the other proxy variables of the environment. Every method raises MnistifiedError.
    """

    def __init__(
        self,
        url: str | None = None,
        key: str | None = None,
        timeout_s: float = 60.0,
        retries: int = 6,
        headers: Mapping[str, str] | None = None,
        trust_env: bool = True,
    ) -> None:
        self._options = read_options(url, key, timeout_s, retries, headers, trust_env)
        self._http = httpx.Client(**self._options.httpx_options())
        self._routes: calls.Routes = {}
        self.on_pause: Callable[[Pause], None] | None = None  # called before each pause that an error causes

    @property
    def url(self) -> str:
        return self._options.url

    @property
    def key(self) -> str:
        """The API key, which is a secret."""
        return self._options.key

    def classify(self, image: Picture, **options: Unpack[ClassifyOptions]) -> Result:
        """Classify an image: uint8[28,28], a Pillow image, a path, the bytes of a file, or an open binary file.

        `model` is a name or `name@version`. The service drops the image if it has no answer within `timeout_s`. With
        `fit`, the image may have any size, e.g. uint8[H,W], and the service converts it to the format of MNIST.
        `fit="number"` reads a number of several digits, which `among` limits to valid strings. An answer whose score is
        below `accept` is unsure; "rule" stands for the threshold of the version.

        A `model` can take other images: uint8[H,W] or uint8[H,W,3] of its size. `resize` says what happens to another
        size, and `top` how many of its best labels the result has. Raises TypeError, ValueError or OSError for an
        invalid image, before anything is sent.
        """
        content = image_file(image, bool(options.get("fit")), options.get("model") is not None)
        return self._run(calls.classify(content, query_of(**options), self._options.retries, self._routes))

    def submit(
        self, images: Pictures, *, idempotency_key: str | None = None, **options: Unpack[ClassifyOptions]
    ) -> "Job":
        """Upload images as a job. Blocks until the service has stored all of them.

        `images` are uint8[N,28,28] (or [N,28,28,1], [N,784]), a folder, a zip, tar, `.npy`, IDX or NDJSON file as a
        path or opened, or an iterable of images as in `classify`. Images are streamed, and never all in memory. Sources
        that can be read only once are copied to a temporary file. Images without a result `timeout_s` after the start
        of the upload expire. With `fit`, images may have any size, e.g. uint8[N,H,W], and with a `model` the size and
        the channels that it takes, e.g. uint8[N,H,W,3]. The other options are those of `classify`.
        The same `idempotency_key` with the same images gives the same job; by default, every call creates a new job.
        Raises TypeError, ValueError or OSError for invalid images.
        """
        body = body_of(images, **body_options(options))
        return self.submit_body(body, idempotency_key=idempotency_key, **options)

    def submit_body(
        self, body: Body, *, idempotency_key: str | None = None, **options: Unpack[ClassifyOptions]
    ) -> "Job":
        """Upload a prepared body as a job: see `submit`."""
        idempotency_key = idempotency_key or str(uuid.uuid4())
        exchange = calls.submit(body, query_of(**options), idempotency_key, self._options.retries, self._routes)
        return Job(self, self._run(exchange))

    def job(self, job_id: str) -> "Job":
        """Return an earlier job that the API key has access to."""
        return Job(self, self._run(calls.read_job(job_id, 0, self._options.retries)))

    def models(self) -> dict[str, Any]:
        """Return the service's description of each model, by name."""
        return self._run(calls.get_models(self._options.retries))

    def set_alias(
        self, model: str, alias: str, version: int, *, wait_s: float | None = None, **change: Unpack[calls.AliasChange]
    ) -> dict[str, Any]:
        """Make `alias` of `model` mean `version` and return the change record.

        Blocks until every worker has loaded the versions, for `wait_s` at most; None leaves the limit to the service.
        `canary` and `shadow` are versions, `canary_percent` is the canary's share of the requests, `force` overrules
        the quality gate and needs a `reason`.
        """
        return self._run(calls.set_alias(model, alias, version, change, wait_s, self._options.retries))

    def delete_alias(self, model: str, alias: str, *, reason: str = "", wait_s: float | None = None) -> dict[str, Any]:
        """Delete `alias` of `model` and return the change record."""
        return self._run(calls.delete_alias(model, alias, reason, wait_s, self._options.retries))

    def alias_changes(self, model: str, limit: int = 100) -> list[dict[str, Any]]:
        """Return the last changes of the model's aliases, newest first."""
        return self._run(calls.alias_changes(model, limit, self._options.retries))

    def status(self) -> dict[str, Any]:
        return self._run(calls.get_json("/status", self._options.retries))

    def test_image(self, index: int) -> tuple[bytes, int, str]:
        """Return a test image of the service as (PNG file, label, name of the dataset)."""
        return self._run(calls.get_test_image(index, self._options.retries))

    def path_of(self, query: Mapping[str, str]) -> str:
        """Return the path of a classification with its query, for programs that send the requests themselves."""
        path, parameters = self._run(calls.route_of(query, "", self._options.retries, self._routes))
        return f"{path}?{urlencode(parameters)}" if parameters else path

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, exchange: Exchange[T]) -> T:
        """Carry out the steps that the exchange yields, and return its result."""
        try:
            step = next(exchange)
            while True:
                try:
                    answer = self._do(step)
                except httpx.TransportError as error:
                    step = exchange.throw(unreachable(error, self._options.url))
                else:
                    step = exchange.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    def _do(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            if step.reason and self.on_pause:
                self.on_pause(step)
            time.sleep(step.seconds)
            return None
        content = step.body.chunks() if step.body else None
        reply = self._http.request(content=content, **self._options.request_options(step))
        return Reply(reply.status_code, reply.headers, reply.content)


class Job(JobHandle):
    """A job at the service. `state` is its last known state."""

    def __init__(self, client: Client, state: JobState) -> None:
        self._client = client
        self.state = state

    def refresh(self, wait_s: float = 0.0) -> "Job":
        """Update `state` and return the job. With `wait_s`, block until the job is final or the time is up."""
        self.state = self._client._run(calls.read_job(self.id, wait_s, self._client._options.retries))
        return self

    def wait(self, timeout_s: float | None = None) -> JobState:
        """Block until the job is final. Raises TimeoutError after `timeout_s`, while the job continues."""
        self.state = self._client._run(calls.wait_for_job(self.id, timeout_s, self._client._options.retries))
        return self.state

    def cancel(self) -> JobState:
        """Drop the images that are still queued. Finished images keep their results."""
        self.state = self._client._run(calls.cancel(self.id, self._client._options.retries))
        return self.state

    def items(self, start: int = 0) -> Iterator[Item]:
        """Yield the items from `start` on, in input order, each as soon as it and all earlier items are final.

        Blocks between items. To continue after an error, call it again with the number of the next item.
        """
        for page in self.pages(start):
            yield from page

    def pages(self, start: int = 0) -> Iterator[list[Item]]:
        """Yield the items in lists as the service returns them. A list is empty while there are no new items."""
        pages = calls.Pages(self.id, start, self._client._options.retries)
        while not pages.ended:
            yield self._client._run(pages.next_page())
