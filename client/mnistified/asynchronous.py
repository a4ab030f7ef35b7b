"""The asynchronous client, for asyncio and trio: `mnistified.client` with `await`."""

import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import partial
from types import TracebackType
from typing import Any, TypeVar, Unpack

import anyio
import anyio.to_thread
import httpx

from mnistified.http import calls
from mnistified.http.exchange import Call, Exchange, Pause, Reply, unreachable
from mnistified.options import ClassifyOptions, body_options, query_of, read_options
from mnistified.results import Item, JobHandle, JobState, Result
from mnistified.uploads.bodies import Pictures, body_of
from mnistified.uploads.images import Picture, image_file

T = TypeVar("T")


class AsyncClient:
    """The asynchronous version of `Client`. It reads files in threads. Close it, or use it with `async with`."""

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
        self._http = httpx.AsyncClient(**self._options.httpx_options())
        self._routes: calls.Routes = {}

    @property
    def url(self) -> str:
        return self._options.url

    async def classify(self, image: Picture, **options: Unpack[ClassifyOptions]) -> Result:
        """See `Client.classify`."""
        any_size, any_model = bool(options.get("fit")), options.get("model") is not None
        content = await anyio.to_thread.run_sync(image_file, image, any_size, any_model)
        return await self._run(calls.classify(content, query_of(**options), self._options.retries, self._routes))

    async def submit(
        self, images: Pictures, *, idempotency_key: str | None = None, **options: Unpack[ClassifyOptions]
    ) -> "AsyncJob":
        """See `Client.submit`."""
        body = await anyio.to_thread.run_sync(partial(body_of, images, **body_options(options)))
        idempotency_key = idempotency_key or str(uuid.uuid4())
        exchange = calls.submit(body, query_of(**options), idempotency_key, self._options.retries, self._routes)
        return AsyncJob(self, await self._run(exchange))

    async def job(self, job_id: str) -> "AsyncJob":
        return AsyncJob(self, await self._run(calls.read_job(job_id, 0, self._options.retries)))

    async def models(self) -> dict[str, Any]:
        return await self._run(calls.get_models(self._options.retries))

    async def set_alias(
        self, model: str, alias: str, version: int, *, wait_s: float | None = None, **change: Unpack[calls.AliasChange]
    ) -> dict[str, Any]:
        """See `Client.set_alias`."""
        return await self._run(calls.set_alias(model, alias, version, change, wait_s, self._options.retries))

    async def delete_alias(
        self, model: str, alias: str, *, reason: str = "", wait_s: float | None = None
    ) -> dict[str, Any]:
        return await self._run(calls.delete_alias(model, alias, reason, wait_s, self._options.retries))

    async def alias_changes(self, model: str, limit: int = 100) -> list[dict[str, Any]]:
        return await self._run(calls.alias_changes(model, limit, self._options.retries))

    async def status(self) -> dict[str, Any]:
        return await self._run(calls.get_json("/status", self._options.retries))

    async def test_image(self, index: int) -> tuple[bytes, int, str]:
        """See `Client.test_image`."""
        return await self._run(calls.get_test_image(index, self._options.retries))

    async def close(self) -> None:
        await self._http.aclose()

    async def __aenter__(self) -> "AsyncClient":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def _run(self, exchange: Exchange[T]) -> T:
        """Carry out the steps that the exchange yields, and return its result."""
        try:
            step = next(exchange)
            while True:
                try:
                    answer = await self._do(step)
                except httpx.TransportError as error:
                    step = exchange.throw(unreachable(error, self._options.url))
                else:
                    step = exchange.send(answer)
        except StopIteration as end:
            value: T = end.value
            return value

    async def _do(self, step: Call | Pause) -> Reply | None:
        if isinstance(step, Pause):
            await anyio.sleep(step.seconds)
            return None
        content = _in_threads(step.body.chunks()) if step.body else None
        reply = await self._http.request(content=content, **self._options.request_options(step))
        return Reply(reply.status_code, reply.headers, reply.content)


class AsyncJob(JobHandle):
    """The asynchronous version of `Job`."""

    def __init__(self, client: AsyncClient, state: JobState) -> None:
        self._client = client
        self.state = state

    async def refresh(self, wait_s: float = 0.0) -> "AsyncJob":
        """See `Job.refresh`."""
        self.state = await self._client._run(calls.read_job(self.id, wait_s, self._client._options.retries))
        return self

    async def wait(self, timeout_s: float | None = None) -> JobState:
        """See `Job.wait`."""
        self.state = await self._client._run(calls.wait_for_job(self.id, timeout_s, self._client._options.retries))
        return self.state

    async def cancel(self) -> JobState:
        self.state = await self._client._run(calls.cancel(self.id, self._client._options.retries))
        return self.state

    async def items(self, start: int = 0) -> AsyncIterator[Item]:
        """See `Job.items`."""
        pages = calls.Pages(self.id, start, self._client._options.retries)
        while not pages.ended:
            for item in await self._client._run(pages.next_page()):
                yield item


async def _in_threads(chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks, each of which is produced in a thread because it may be read from disk."""
    while (chunk := await anyio.to_thread.run_sync(next, chunks, None)) is not None:
        yield chunk
