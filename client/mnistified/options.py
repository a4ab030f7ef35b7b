"""The settings of both clients."""

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypedDict

import httpx

from mnistified.http.exchange import Call

Accept = float | Literal["rule"]  # the score from which an answer is accepted, or the threshold of the version
# The treatment of pictures of another size than that of the version.
Resize = Literal["exact", "stretch", "crop", "pad", "digit"]

Fit = bool | Literal["digit", "number"]  # the object that a picture of any size shows; True means a digit


class ClassifyOptions(TypedDict, total=False):
    """The options of a classification, as `Client.classify` describes them. None is the same as a missing option."""

    model: str | None
    timeout_s: float | None
    fit: Fit
    among: Iterable[str] | None
    accept: Accept | None
    resize: Resize | None
    top: int | None


DEFAULT_URL = "http://127.0.0.1:5000"
CONNECT_TIMEOUT_S = 10.0
_HEADER_VALUE = re.compile(r"[\t -~]*")


@dataclass(frozen=True)
class Options:
    """Settings of one client. `key` is a secret, so the representation omits it and the headers.

    `headers` are sent with every request. Without `trust_env`, proxies from the environment are ignored.
    """

    url: str
    key: str
    timeout_s: float
    retries: int
    headers: Mapping[str, str]
    trust_env: bool

    def __repr__(self) -> str:
        return f"Options({self.url!r})"

    def httpx_options(self) -> dict[str, Any]:
        """Return the arguments of `httpx.Client` and `httpx.AsyncClient`."""
        headers = {"User-Agent": "mnistified-client", **self.headers}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        # Loading the root certificates takes a tenth of a second, so skip it without TLS.
        verify = self.url.startswith("https")
        return {
            "base_url": self.url,
            "headers": headers,
            "timeout": self.timeout(None),
            "verify": verify,
            "trust_env": self.trust_env,
        }

    def timeout(self, read_s: float | None) -> httpx.Timeout:
        return httpx.Timeout(
            self.timeout_s, connect=min(CONNECT_TIMEOUT_S, self.timeout_s), read=read_s or self.timeout_s
        )

    def request_options(self, call: Call) -> dict[str, Any]:
        """Return the arguments of `request` of both httpx clients, except the body."""
        return {
            "method": call.method,
            "url": call.path,
            "params": call.params,
            "headers": call.request_headers(),
            "timeout": self.timeout(call.timeout_s),
        }


def read_options(
    url: str | None, key: str | None, timeout_s: float, retries: int, headers: Mapping[str, str] | None, trust_env: bool
) -> Options:
    """Fill in MNISTIFIED_URL and MNISTIFIED_KEY for a None.

    Raises ValueError for a bad URL, or a key or header that cannot be sent.
    """
    url = url or os.environ.get("MNISTIFIED_URL") or DEFAULT_URL
    try:
        valid = httpx.URL(url).scheme in ("http", "https")
    except httpx.InvalidURL:
        valid = False
    if not valid:
        raise ValueError(f"{url!r} is not the URL of a service: expected a URL like {DEFAULT_URL}")
    key = os.environ.get("MNISTIFIED_KEY", "") if key is None else key
    for name, value in {"the key": key, **(headers or {})}.items():
        if not _HEADER_VALUE.fullmatch(value):
            shown = "" if name == "the key" else f" {value!r}"
            raise ValueError(f"{name}{shown} cannot be sent in a header: expected printable ASCII characters")
    return Options(url.rstrip("/"), key, timeout_s, retries, headers or {}, trust_env)


def query_of(
    *,
    model: str | None = None,
    timeout_s: float | None = None,
    fit: Fit = False,
    among: Iterable[str] | None = None,
    accept: Accept | None = None,
    resize: Resize | None = None,
    top: int | None = None,
) -> dict[str, str]:
    """Return the query parameters of a classification. Raises TypeError for an `among` that is one string."""
    if isinstance(among, str):
        raise TypeError(f"among is the string {among!r}, expected an iterable of strings")
    query = {
        "model": model,
        "resize": resize,
        "top": None if top is None else str(top),
        "timeout_s": None if timeout_s is None else f"{timeout_s:g}",
        "fit": "digit" if fit is True else fit or None,
        "among": None if among is None else ",".join(among),
        "accept": None if accept is None else str(accept),
    }
    return {name: value for name, value in query.items() if value is not None}


def body_options(options: ClassifyOptions) -> dict[str, bool]:
    """Return the options of `body_of` for images that are classified with `options`."""
    return {
        "any_size": bool(options.get("fit")),
        "any_model": options.get("model") is not None,
        "resized": options.get("resize") not in (None, "exact"),
    }
