"""`python -m api`: serve the API."""

import os
import sys

import uvicorn

from api.app import make_app
from api.one_write import OneWriteProtocol
from shared.errors import MnistifiedError
from shared.settings import load_settings

SHUTDOWN_S = 35  # a little over the longest synchronous wait


def main() -> None:
    try:
        settings = load_settings(os.environ)
        app = make_app(settings)
    except MnistifiedError as error:
        sys.exit(f"api: {error}")
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
