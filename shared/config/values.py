"""Parsers for the texts of settings. A parser returns the value, or raises ValueError with the expected form."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from shared.config.sentinels import parse_sentinels

Parse = Callable[[str], Any]
MIN_SECRET_CHARS = 16
URL_PREFIX = re.compile(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)*")
HOST_NAME = re.compile(r"[a-z0-9_.-]+|[0-9a-f:.]+")
WEB_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://([a-z0-9_.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
CREDENTIALS = re.compile(r"(//)[^/]*@|((?:^|[?&])sentinel_password=)[^&]*")  # the parts of a URL that are secret


def integer(low: int, high: int) -> Parse:
    return _within(int, low, high, f"{low} to {high}")


def number(low: float, high: float, unit: str) -> Parse:
    return _within(float, low, high, f"{low:g} to {high:g} {unit}")


def _within(kind: type[int] | type[float], low: float, high: float, expected: str) -> Parse:
    def parse(text: str) -> int | float:
        try:
            value = kind(text)
        except ValueError:
            raise ValueError(f"expected {expected}") from None
        if not low <= value <= high:
            raise ValueError(f"expected {expected}")
        return value

    return parse


def one_of(*choices: str) -> Parse:
    def parse(text: str) -> str:
        if text not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return text

    return parse


def redis_address(text: str) -> str:
    parts = urlsplit(text)
    if parse_sentinels(text) is None and (
        parts.scheme not in ("redis", "rediss")
        or not parts.hostname
        or parts.port == 0
        or not (parts.path.removeprefix("/") or "0").isdecimal()  # redis-py would use database 0
    ):
        raise ValueError("expected redis://[user:password@]host:port/db, rediss://…, sentinel://… or sentinels://…")
    options = dict(parse_qsl(parts.query))
    if options.get("ssl_cert_reqs", "required") not in ("required", "optional", "none"):
        raise ValueError("expected ssl_cert_reqs to be required, optional or none")
    if not Path(options.get("ssl_ca_certs", "/")).exists():
        raise ValueError(f"ssl_ca_certs names {options['ssl_ca_certs']}, which does not exist")
    return text


def yes_or_no(text: str) -> bool:
    if text.lower() not in ("1", "0", "true", "false", "yes", "no"):
        raise ValueError("expected 1 or 0")
    return text.lower() in ("1", "true", "yes")


def http_url(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.port == 0:
        raise ValueError("expected http://host:port or https://…")
    return text.rstrip("/")


def mirrors(text: str) -> str:
    return "" if text == "none" else " ".join(map(http_url, text.split()))


def signing_secret(text: str) -> str:
    if len(text) < MIN_SECRET_CHARS:
        raise ValueError(f"expected {MIN_SECRET_CHARS} characters or more")
    return text


def without_credentials(url: str) -> str:
    """Replace user, password and Sentinel password in a URL for a message."""
    return CREDENTIALS.sub(lambda found: f"{found[1]}…@" if found[1] else f"{found[2]}…", url)


def folder_or_url(text: str) -> Path | str:
    """Return a registry's folder as a path, or its URL as text."""
    return text if "://" in text else Path(text)


def url_prefix(text: str) -> str:
    if not URL_PREFIX.fullmatch(text):
        raise ValueError("expected a path without slashes at its ends, such as flower or tools/flower")
    return text


def host_names(text: str) -> tuple[str, ...]:
    """Parse names and addresses without ports, separated by commas or spaces, and return them in lower case."""
    names = tuple(name.lower().removesuffix(".").strip("[]") for name in text.replace(",", " ").split())
    if not names or not all(name == "*" or HOST_NAME.fullmatch(name) for name in names):
        raise ValueError("expected host names without scheme and port, such as digits.example, or *")
    return names


def web_origins(text: str) -> tuple[str, ...]:
    """Parse origins as browsers send them, separated by commas or spaces."""
    origins = tuple(origin.lower() for origin in text.replace(",", " ").split())
    if not origins or not all(origin in ("*", "null") or WEB_ORIGIN.fullmatch(origin) for origin in origins):
        raise ValueError("expected origins without path, such as https://app.example or http://localhost:3000, or *")
    return tuple(
        re.sub(r"^(http://.*):80$|^(https://.*):443$", lambda each: each[1] or each[2], one) for one in origins
    )


def some_text(text: str) -> str:
    if not text.strip():
        raise ValueError("expected some text")
    return text
