"""A TLS proxy in front of a port. The packaged Redis is built without TLS."""

import asyncio
import contextlib
import ssl
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def tls_proxy(context: ssl.SSLContext, backend_port: int) -> Iterator[int]:
    """Yield a port of 127.0.0.1 that terminates TLS and forwards the data to `backend_port`."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        backend_reader, backend_writer = await asyncio.open_connection("127.0.0.1", backend_port)
        try:
            await asyncio.gather(_copy(reader, backend_writer), _copy(backend_reader, writer))
        except asyncio.CancelledError:  # else an open transport would raise a warning in another test
            writer.transport.abort()
            backend_writer.transport.abort()
            raise

    async def start() -> asyncio.Server:
        return await asyncio.start_server(pass_on, "127.0.0.1", 0, ssl=context)

    async def stop(server: asyncio.Server) -> None:
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for other in others:
            other.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # the loop closes aborted transports in its next iteration

    server = asyncio.run_coroutine_threadsafe(start(), loop).result()
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        asyncio.run_coroutine_threadsafe(stop(server), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(1 << 16):
            writer.write(data)
            await writer.drain()
    writer.close()
