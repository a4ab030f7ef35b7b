"""Requests of other websites' pages, on the whole application: refused, or answered with the headers of CORS."""

from hashlib import sha256
from typing import Any

import httpx
import pytest

from api.app import ROUTES
from api.routes.openapi.document import described_routes
from tests.support.api_in_process import running_api
from tests.support.system import RedisServer

EVIL = {"Origin": "https://evil.example"}
APP = "https://app.example"
PREFLIGHT = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type,idempotency-key,x-api-key",
}
KEY = "a-long-enough-key-of-one-client"
KEYS = {"API_KEYS": f"one:{sha256(KEY.encode()).hexdigest()}:admin"}


def expect_refused(reply: httpx.Response, setting: str) -> None:
    assert (reply.status_code, reply.headers["content-type"]) == (403, "application/problem+json"), reply.text
    assert setting in reply.json()["detail"]
    assert "access-control-allow-origin" not in reply.headers


async def test_no_route_serves_a_foreign_page_or_a_foreign_name(redis_server: RedisServer) -> None:
    async with running_api(redis_server.new_url()) as http:
        for method, path in described_routes(ROUTES):
            for headers, setting in ((EVIL, "CORS_ORIGINS"), ({"Host": "evil.example:5000"}, "ALLOWED_HOSTS")):
                reply = await http.request(method, path.replace("{", "").replace("}", ""), headers=headers)
                if path.startswith(("/v1", "/v2")):
                    assert reply.status_code == 403
                    assert setting in reply.json()["error"]
                else:
                    expect_refused(reply, setting)
        assert (await http.get("/healthz", headers={"Origin": "http://127.0.0.1:5000"})).status_code == 200


async def test_a_preflight_of_a_foreign_page_is_refused(redis_server: RedisServer) -> None:
    for environ in ({}, {"CORS_ORIGINS": APP}, {"CORS_ORIGINS": APP, **KEYS}):
        async with running_api(redis_server.new_url(), environ) as http:
            expect_refused(await http.options("/mnist/classify", headers=PREFLIGHT | EVIL), "CORS_ORIGINS")


@pytest.mark.parametrize("keys", [{}, KEYS], ids=["open", "keys"])
async def test_an_allowed_page_gets_the_headers_of_cors(redis_server: RedisServer, keys: dict[str, str]) -> None:
    origin = {"Origin": APP, "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
    async with running_api(redis_server.new_url(), {"CORS_ORIGINS": f"{APP},http://localhost:3000", **keys}) as http:
        private = {"Access-Control-Request-Private-Network": "true"}
        reply = await http.options("/mnist/classify/bulk", headers=PREFLIGHT | origin | private)
        assert reply.status_code == 200
        assert reply.headers["access-control-allow-origin"] == APP
        assert "POST" in reply.headers["access-control-allow-methods"]
        assert reply.headers["access-control-allow-headers"] == PREFLIGHT["Access-Control-Request-Headers"]
        assert reply.headers["access-control-allow-private-network"] == "true"
        assert "access-control-allow-credentials" not in reply.headers
        key = {"X-API-Key": KEY} if keys else {}
        for method, path, status in (
            ("GET", "/models", 200),
            ("POST", "/mnist/classify", 400),
            ("PUT", "/models", 405),
        ):
            reply = await http.request(method, path, headers=origin | key)
            assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (status, APP)
            assert "X-Request-ID" in reply.headers["access-control-expose-headers"]
            assert "Origin" in reply.headers["vary"]


async def test_with_keys_the_key_decides(redis_server: RedisServer) -> None:
    async with running_api(redis_server.new_url(), KEYS) as http:
        foreign: dict[str, Any] = EVIL | {"Host": "digits.example", "Sec-Fetch-Site": "cross-site"}
        assert (await http.get("/models", headers=foreign)).status_code == 401
        reply = await http.get("/models", headers=foreign | {"X-API-Key": KEY})
        assert reply.status_code == 200
        assert "access-control-allow-origin" not in reply.headers, "the page cannot read it"


async def test_every_website_can_be_allowed(redis_server: RedisServer) -> None:
    async with running_api(redis_server.new_url(), {"CORS_ORIGINS": "*", "ALLOWED_HOSTS": "*"}) as http:
        reply = await http.get("/models", headers=EVIL | {"Host": "digits.example"})
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, "*")


async def test_a_container_serves_every_name_and_still_refuses_foreign_pages(redis_server: RedisServer) -> None:
    async with running_api(redis_server.new_url(), {"API_HOST": "0.0.0.0"}) as http:  # noqa: S104
        own = {"Host": "digits.example", "Origin": "https://digits.example"}
        assert (await http.get("/models", headers=own)).status_code == 200
        assert (await http.get("/models", headers={"Host": "api:5000"})).status_code == 200
        expect_refused(await http.get("/models", headers=own | EVIL), "CORS_ORIGINS")
