"""`python -m api`: serve the API."""

import logging
import os
import sys

import uvicorn

from api.app import make_app
from api.one_write import OneWriteProtocol
from shared.errors import MnistifiedError
from shared.settings import load_settings

SHUTDOWN_S = 35  # a little over the longest synchronous wait


class WithoutQuery(logging.Filter):
    """Cuts the access log's paths: a `callback_url` may have a secret of its receiver's in it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple):
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


def main() -> None:
    try:
        settings = load_settings(os.environ)
        app = make_app(settings)
    except MnistifiedError as error:
        sys.exit(f"api: {error}")
    logging.getLogger("uvicorn.access").addFilter(WithoutQuery())
    uvicorn.run(
        app,
        http=OneWriteProtocol,
        host=settings.api_host,
        port=settings.api_port,
        log_level=settings.log_level,
        access_log=settings.log_level == "debug",
        proxy_headers=False,  # no route asks who the client is
        timeout_graceful_shutdown=SHUTDOWN_S,
    )


if __name__ == "__main__":
    main()
