"""`/openapi.json` and `/docs`: Swagger UI, served from its Python package, so that the page needs no other host."""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from api.http.responses import json_body
from api.routes.openapi.document import make_document
from shared.errors import NotFound

MEDIA_TYPES = {
    "swagger-ui.css": "text/css",
    "swagger-ui-bundle.js": "text/javascript",
    "start.js": "text/javascript",
}
# Swagger UI writes style attributes and loads icons from data: URLs. Scripts are allowed from this host only.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>MNISTified: the HTTP interface</title>
<link rel="stylesheet" href="docs/swagger-ui.css">
</head>
<body>
<main id="ui"></main>
<script src="docs/swagger-ui-bundle.js"></script>
<script src="docs/start.js"></script>
</body>
</html>
"""
START = 'SwaggerUIBundle({ url: "openapi.json", dom_id: "#ui", deepLinking: true, validatorUrl: null });\n'


async def get_openapi(request: Request) -> Response:
    cache = request.app.state  # the routes do not change while the process runs
    if not hasattr(cache, "description"):
        cache.description = json_body(make_document(route for path in request.app.routes for route in path.routes))
    return Response(cache.description, media_type="application/json")


async def get_page(request: Request) -> Response:
    return HTMLResponse(PAGE, headers={"Content-Security-Policy": POLICY})


async def get_asset(request: Request) -> Response:
    """Serve a file of the page. Raises NotFound for all other files."""
    name = request.path_params["asset"]
    if name not in MEDIA_TYPES:
        raise NotFound(f"the page has no file {name!r}, its files are {', '.join(MEDIA_TYPES)}")
    headers = {"Cache-Control": "max-age=86400", "X-Content-Type-Options": "nosniff"}
    return Response(_read(name), headers=headers, media_type=MEDIA_TYPES[name])


@cache
def _read(name: str) -> bytes:
    if name == "start.js":
        return START.encode()
    spec = find_spec("swagger_ui")  # only its files are needed, so it is not imported
    if spec is None or spec.origin is None:
        raise NotFound("the package swagger-ui-py is not installed")
    return Path(spec.origin).with_name("static").joinpath(name).read_bytes()
