"""`python -m worker.flower OPTIONS`: Flower, which refuses requests of other websites' pages, as the API does.

Flower without a password shows everything, and with FLOWER_UNAUTHENTICATED_API it stops workers, for every client.
"""

import os
import sys
from typing import Any

import celery.__main__
import flower.command
from flower.app import Flower
from tornado.httputil import HTTPServerRequest
from tornado.web import RequestHandler

from shared.browser_guard import ANY, BrowserGuard
from shared.config.settings import load_settings
from shared.errors import MnistifiedError
from shared.redis.reachable import check_redis

ALL_ADDRESSES = "0.0.0.0"  # noqa: S104  # Flower's own default


class RefusedHandler(RequestHandler):
    """Answers with 403 and the reason."""

    def initialize(self, reason: str) -> None:
        self._refusal = reason

    def check_xsrf_cookie(self) -> None:
        """Check nothing: the request is refused in any case."""

    def prepare(self) -> None:
        self.set_status(403)
        self.set_header("Content-Type", "text/plain; charset=utf-8")
        self.finish(f"{self._refusal}\n")


class GuardedFlower(Flower):  # type: ignore[misc]
    """Flower behind a BrowserGuard. With a password, any name is right: a browser sends no password for another one."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        has_password = bool(self.options.basic_auth or self.options.auth)
        hosts = (ANY,) if has_password else load_settings(os.environ).allowed_hosts
        self._guard = BrowserGuard(self.options.address or ALL_ADDRESSES, hosts, None)

    def find_handler(self, request: HTTPServerRequest, **options: Any) -> Any:
        headers = [
            (name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.get_all()
        ]
        reason = self._guard.refusal(request.method or "", headers)
        if reason is not None:
            return self.get_handler_delegate(request, RefusedHandler, {"reason": reason})
        return super().find_handler(request, **options)


def main() -> None:
    try:
        check_redis(load_settings(os.environ))
    except MnistifiedError as error:
        sys.exit(f"flower: {error}")
    flower.command.Flower = GuardedFlower
    sys.argv = ["celery", "-A", "worker.app", "flower", *sys.argv[1:]]
    celery.__main__.main()


if __name__ == "__main__":
    main()
