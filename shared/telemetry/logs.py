"""What every program logs: a JSON object a line for machines, readable lines on a terminal.

All of it comes by the standard library's loggers: ours, uvicorn's, Celery's. What a line of ours tells beside its
message comes as `extra=fields(job=…)`. Nobody else's extras are shown: those of Celery hold the arguments of tasks.
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

CHATTY = ("PIL", "httpcore", "httpx", "python_multipart")  # they tell every request's URL, or every piece of a file
FIRST = ("timestamp", "level", "message", "logger")  # of a line

About = Callable[[], Mapping[str, Any]]  # what the running request or task adds to its lines


def fields(**named: Any) -> dict[str, Any]:
    """For `extra=` of a logging call. Never a key, a secret, or pixels."""
    return {"fields": named}


def configure_logs(
    log_format: str, level: str | int, process: str, *, about: About = dict, stream: TextIO | None = None
) -> bool:
    """Send all that this process logs to `stream` (stderr), as LOG_FORMAT says; whether that is JSON."""
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
            exception_formatter=structlog.dev.plain_traceback,  # the other shows locals
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
    except TypeError:  # half a character, a number without end: rather as the slower one writes it than not at all
        return json.dumps(line, default=str, skipkeys=True)
