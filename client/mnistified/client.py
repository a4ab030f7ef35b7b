"""The client for ordinary programs: every method blocks until there is an answer."""

import time
import uuid
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, TypeVar, Unpack

import httpx

from mnistified.http import calls
from mnistified.http.exchange import Body, Call, Exchange, Pause, Reply, unreachable
from mnistified.options import Options, query_of
from mnistified.results import Item, JobState, Result
from mnistified.uploads.bodies import Pictures, body_of
from mnistified.uploads.images import Picture, image_file

T = TypeVar("T")


class Client:
    """One pool of connections to one service; threads may share it. Close it, or use it in a `with`.

    `url` and `key` come from MNISTIFIED_URL and MNISTIFIED_KEY where they are not given. An answer is waited for up to
    `timeout_s`; what failed for a moment (connections, 429, 503) is tried again up to `retries` times, each time
    after a longer pause, never sooner than `Retry-After` says. `headers` are sent with every request; `trust_env=False`
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
        self._options = Options.of(url, key, timeout_s, retries, headers, trust_env)
        self._http = httpx.Client(**self._options.httpx_options())

    @property
    def url(self) -> str:
        return self._options.url

    @property
    def key(self) -> str:
        """A secret."""
        return self._options.key

    def classify(
        self, image: Picture, *, model: str | None = None, timeout_s: float | None = None, fit: bool = False
    ) -> Result:
        """`image`: uint8[28,28], a Pillow image, a path, an image file's bytes, or it opened in binary mode.

        `model`: a name, or `name@version`; an answer after `timeout_s` is of no use, and the service drops the image.
        `fit` takes a picture of a digit of any size, also uint8[H,W], and has the service make of it what MNIST would.
        Raises TypeError, ValueError or OSError for what is no image, before anything is sent.
        """
        content = image_file(image, any_size=fit)
        return self._run(calls.classify(content, query_of(model, timeout_s, fit=fit), self._options.retries))

    def submit(
        self,
        images: Pictures,
        *,
        model: str | None = None,
        timeout_s: float | None = None,
        fit: bool = False,
        idempotency_key: str | None = None,
    ) -> "Job":
        """Returns once all images are stored at the service, however often it took.

        `images`: uint8[N,28,28] (also [N,28,28,1], [N,784]), a folder, the path of a zip, tar, `.npy`, IDX or NDJSON
        file, one that is open, or any iterable of what `classify` takes. Everything streams from where it is; what can
        be read but once is put into a temporary file. What has no result `timeout_s` after the upload began expires.
        `fit` as in `classify`; then an array may be uint8[N,H,W].
        The same `idempotency_key` with the same images is the same job; without one, each call makes a job of its own.
        Raises TypeError, ValueError or OSError for what are no images.
        """
        body = body_of(images, any_size=fit)
        return self.submit_body(body, model=model, timeout_s=timeout_s, fit=fit, idempotency_key=idempotency_key)

    def submit_body(
        self,
        body: Body,
        *,
        model: str | None = None,
        timeout_s: float | None = None,
        fit: bool = False,
        idempotency_key: str | None = None,
    ) -> "Job":
        """A body that is made already: see `submit`."""
        idempotency_key = idempotency_key or str(uuid.uuid4())
        query = query_of(model, timeout_s, fit=fit)
        return Job(self, self._run(calls.submit(body, query, idempotency_key, self._options.retries)))

    def job(self, job_id: str) -> "Job":
        """One that was submitted before, by whomever this key lets see it."""
        return Job(self, self._run(calls.read_job(job_id, 0, self._options.retries)))

    def models(self) -> dict[str, Any]:
        """What the service says of each model, by name."""
        return self._run(calls.get_models(self._options.retries))

    def set_alias(
        self,
        model: str,
        alias: str,
        version: int,
        *,
        wait_s: float | None = None,
        **change: Unpack[calls.AliasChange],
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
        """(PNG file, label, name of the dataset) of a test image of the service's."""
        return self._run(calls.get_test_image(index, self._options.retries))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _run(self, exchange: Exchange[T]) -> T:
        """Do what the exchange yields until it returns."""
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
            time.sleep(step.seconds)
            return None
        content = step.body.pieces() if step.body else None
        reply = self._http.request(content=content, **self._options.request_options(step))
        return Reply(reply.status_code, reply.headers, reply.content)


class Job:
    """`state` is what was last heard of it."""

    def __init__(self, client: Client, state: JobState) -> None:
        self._client = client
        self.state = state

    @property
    def id(self) -> str:
        return self.state.id

    def refresh(self, wait_s: float = 0.0) -> "Job":
        """Ask for its state; with `wait_s`, blocks until it is final or the time is up. Returns the job itself."""
        self.state = self._client._run(calls.read_job(self.id, wait_s, self._client._options.retries))
        return self

    def wait(self, timeout_s: float | None = None) -> JobState:
        """Blocks until the job is final. Raises TimeoutError after `timeout_s`; the job goes on."""
        self.state = self._client._run(calls.wait_for_job(self.id, timeout_s, self._client._options.retries))
        return self.state

    def cancel(self) -> JobState:
        """What is queued is dropped, what is finished stays."""
        self.state = self._client._run(calls.cancel(self.id, self._client._options.retries))
        return self.state

    def items(self, start: int = 0) -> Iterator[Item]:
        """From item `start` to the last, in input order, each as soon as it and all before it are final.

        Blocks between them. To go on after an error, call it again with the number of the next item.
        """
        for page in self.pages(start):
            yield from page

    def pages(self, start: int = 0) -> Iterator[list[Item]]:
        """`items`, in lists as they come from the service; an empty one while there is nothing new."""
        pages = calls.Pages(self.id, start, self._client._options.retries)
        while not pages.ended:
            yield self._client._run(pages.next_page())

    def __repr__(self) -> str:
        return f"<Job {self.id} {self.state.state} {self.state.finished}/{self.state.total}>"

    def _repr_html_(self) -> str:
        return self.state._repr_html_()
