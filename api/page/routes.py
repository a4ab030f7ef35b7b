"""`/`: the playground, a page in plain HTML, CSS and JavaScript, and `/page/{asset}`: its files.

The files hold nothing secret and are served without a key, so that the page can prompt for one.
"""

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from starlette.requests import Request
from starlette.responses import Response

from api.http.caching import cache_headers, etag_of, not_modified
from shared.errors import NotFound

FOLDER = files("api.page") / "assets"
INDEX = "index.html"
MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    # Dropped pictures are shown from blob: URLs, pictures in responses from data: URLs.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Asset:
    content: bytes
    media_type: str
    tag: str


async def get_playground(request: Request) -> Response:
    return _response(request, assets()[INDEX])


async def get_playground_asset(request: Request) -> Response:
    name = request.path_params["asset"]
    if name not in assets():
        raise NotFound(f"the playground has no file {name!r}")
    return _response(request, assets()[name])


@cache
def assets() -> dict[str, Asset]:
    """Read all files, by name. They do not change while the process runs."""
    found = {}
    for file in FOLDER.iterdir():
        media_type = MEDIA_TYPES.get("." + file.name.rpartition(".")[2])
        if media_type:
            content = file.read_bytes()
            found[file.name] = Asset(content, media_type, etag_of(content))
    return found


def _response(request: Request, asset: Asset) -> Response:
    return not_modified(request.headers, asset.tag) or Response(
        asset.content, headers=HEADERS | cache_headers(asset.tag), media_type=asset.media_type
    )
