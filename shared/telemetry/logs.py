"""The log format of all programs: one JSON object per line, or text on a terminal.

Our code, uvicorn and Celery use the standard library's loggers. Our calls add fields with `extra=fields(job=…)`.
Extras of other libraries are not shown: those of Celery contain the arguments of tasks.
"""

import json
import logging
import os
import sys
from collections.abc import Callable, Mapping
from typing import Any, TextIO

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

CHATTY = ("PIL", "httpcore", "httpx", "python_multipart")  # they log every URL or every part of a file
FIRST = ("timestamp", "level", "message", "logger")  # fields at the start of a line

About = Callable[[], Mapping[str, Any]]  # returns the fields of the running request or task


def fields(**named: Any) -> dict[str, Any]:
    """Return the `extra=` of a logging call. Never log a key, a secret or pixels."""
    return {"fields": named}


def configure_logs(
    log_format: str, level: str | int, process: str, *, about: About = dict, stream: TextIO | None = None
) -> bool:
    """Send all logs of this process to `stream` (stderr) in the format of LOG_FORMAT. Return whether that is JSON."""
    stream = stream or sys.stderr
    as_json = log_format == "json" or (log_format == "auto" and not stream.isatty())
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_json(process, about) if as_json else _text(process, about, colors=stream.isatty()))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper() if isinstance(level, str) else level)
    logging.captureWarnings(True)
    for chatty in CHATTY:
        logging.getLogger(chatty).setLevel(logging.WARNING)
    return as_json


def _json(process: str, about: About) -> logging.Formatter:
    return _formatter(
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _adding({"process": process, "pid": os.getpid()}, about),
        structlog.processors.format_exc_info,
        structlog.processors.EventRenamer("message"),
        structlog.processors.JSONRenderer(serializer=_dumps),
    )


def _text(process: str, about: About, *, colors: bool) -> logging.Formatter:
    return _formatter(
        structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False),
        _adding({"process": process}, about),
        structlog.dev.ConsoleRenderer(
            colors=colors,
            sort_keys=False,
            exception_formatter=structlog.dev.plain_traceback,  # the default shows local variables
        ),
    )


def _formatter(*processors: Processor) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.add_log_level,
            structlog.stdlib.add_logger_name,
            *processors[:-1],
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            processors[-1],
        ]
    )


def _adding(constant: Mapping[str, Any], about: About) -> Processor:
    def add(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event.update(constant)
        event.update(about())
        event.update(getattr(event["_record"], "fields", {}))
        return event

    return add


def _dumps(event: EventDict, **_: Any) -> str:
    line = {name: event.pop(name) for name in FIRST} | dict(event)
    try:
        return orjson.dumps(line, default=str).decode()
    except TypeError:  # orjson refuses lone surrogates and integers of more than 64 bits
        return json.dumps(line, default=str, skipkeys=True)
