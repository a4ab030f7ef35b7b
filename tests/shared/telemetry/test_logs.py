import io
import json
import logging
import sys
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from shared.telemetry.logs import CHATTY, configure_logs, fields

logger = logging.getLogger("some.module")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Restore the loggers of pytest."""
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    levels = {chatty: logging.getLogger(chatty).level for chatty in CHATTY}
    yield
    root.handlers = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(levels[chatty])


def configured(stream: io.StringIO, log_format: str = "json", level: str | int = "info", **more: Any) -> bool:
    return configure_logs(log_format, level, "worker-1@host", stream=stream, **more)


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object_with_time_level_process_and_fields() -> None:
    stream = io.StringIO()
    assert configured(stream)
    logger.info("%d images", 3, extra=fields(job="j1", counts={"done": 3}))
    (line,) = lines(stream)
    assert list(line)[:4] == ["timestamp", "level", "message", "logger"]
    assert line.pop("timestamp").endswith("Z")
    assert isinstance(line.pop("pid"), int)
    assert line == {
        "level": "info",
        "logger": "some.module",
        "message": "3 images",
        "process": "worker-1@host",
        "job": "j1",
        "counts": {"done": 3},
    }


def test_every_record_is_one_line() -> None:
    stream = io.StringIO()
    configured(stream)
    logger.warning('two\nlines and a "quote"', extra=fields(name="a\nb", odd={1, 2}, raw=b"\xff"))
    try:
        raise ValueError("why\nnot")
    except ValueError:
        logger.exception("it broke")
    logger.info("half \ud800", extra=fields(huge=1 << 70))
    first, second, third = lines(stream)
    assert (third["message"], third["huge"]) == ("half \ud800", 1 << 70)
    assert (first["message"], first["name"], first["raw"]) == ('two\nlines and a "quote"', "a\nb", "b'\\xff'")
    assert second["exception"].startswith("Traceback")
    assert second["exception"].endswith("ValueError: why\nnot")


@pytest.mark.parametrize("log_format", ["json", "text"])
def test_foreign_extras_and_local_variables_are_not_shown(log_format: str) -> None:
    stream = io.StringIO()
    configured(stream, log_format)
    password = "hunter2"  # noqa: S105
    logger.info("task received", extra={"data": {"args": password}})
    try:
        int(password[:0])
    except ValueError:
        logger.exception("it broke")
    assert "task received" in stream.getvalue()
    assert "ValueError" in stream.getvalue()
    assert password not in stream.getvalue()


def test_the_running_request_adds_fields_which_a_call_may_override() -> None:
    stream = io.StringIO()
    configured(stream, about=lambda: {"request_id": "r1", "trace_id": "t1"})
    logger.info("of the request")
    logger.info("of another", extra=fields(request_id="r2"))
    assert [(line["request_id"], line["trace_id"]) for line in lines(stream)] == [("r1", "t1"), ("r2", "t1")]


@pytest.mark.parametrize(
    ("log_format", "stream", "as_json"),
    [
        ("auto", Terminal(), False),
        ("auto", io.StringIO(), True),
        ("json", Terminal(), True),
        ("text", io.StringIO(), False),
    ],
)
def test_auto_means_text_on_a_terminal_and_json_elsewhere(log_format: str, stream: io.StringIO, as_json: bool) -> None:
    assert configured(stream, log_format) == as_json
    logger.info("hello", extra=fields(job="j1"))
    assert stream.getvalue().startswith("{") == as_json
    assert "hello" in stream.getvalue()
    assert "j1" in stream.getvalue()


@pytest.mark.parametrize("level", ["warning", logging.WARNING])
def test_lower_levels_are_not_logged(level: str | int) -> None:
    stream = io.StringIO()
    configured(stream, level=level)
    logger.info("no")
    logger.warning("yes")
    assert [line["message"] for line in lines(stream)] == ["yes"]


def test_python_warnings_are_logged() -> None:
    stream = io.StringIO()
    configured(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("look out", stacklevel=1)
    (line,) = lines(stream)
    assert (line["level"], line["logger"]) == ("warning", "py.warnings")
    assert "look out" in line["message"]


def test_logs_go_to_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs("json", "info", "api", stream=sys.stderr)
    logger.info("hello")
    printed = capsys.readouterr()
    assert (printed.out, json.loads(printed.err)["process"]) == ("", "api")
