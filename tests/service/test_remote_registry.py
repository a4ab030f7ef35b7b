"""The whole system on a registry behind a URL: the workers keep what they serve, the API only reads cards."""

from pathlib import Path

import pytest

from tests.support.registries import copy_version
from tests.support.system import RedisServer, running


@pytest.mark.slow
def test_a_version_that_is_put_at_the_url_is_fetched_by_the_workers_and_promoted(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    place, cache = tmp_path / "bucket", tmp_path / "cache"
    copy_version(place, 1)
    environ = {"MODELS_DIR": f"file://{place}", "MODELS_CACHE_DIR": str(cache)}
    with running(redis_server.new_url(), 1, environ, api_in_thread=True) as system:
        assert system.http.get("/mnist/classify/0").json()["model"] == "cnn@1"
        copy_version(place, 2)
        reply = system.http.post("/models/cnn/aliases/champion", json={"version": 2})
        assert reply.status_code == 200, reply.text
        assert system.http.get("/mnist/classify/0").json()["model"] == "cnn@2"
        assert sorted(path.parent.name for path in cache.glob("*/cnn/*/model.tflite")) == ["1", "2"]
        assert system.http.get("/models/cnn/2").json()["report"]["passed"] is True

        (copy_version(place, 3) / "model.tflite").write_bytes(b"changed on its way")
        refused = system.http.post("/models/cnn/aliases/champion", params={"wait": 3}, json={"version": 3})
        assert refused.status_code == 503
        assert "does not match its card" in refused.json()["detail"]
        assert not list(cache.glob("*/cnn/3"))
