"""A cascade behind the whole service: every result says which network decided."""

from pathlib import Path

import numpy as np
import pytest

from shared.data.sample import draw
from shared.models.registry import load_version
from tests.support.processes import ROOT
from tests.support.system import RedisServer, running
from tests.support.uploads import image_file, npy
from training.__main__ import main
from worker.engine import load_engine


@pytest.mark.slow
def test_singles_jobs_and_layers_of_a_cascade_report_the_stage(redis_server: RedisServer, tmp_path: Path) -> None:
    place = tmp_path / "bucket"
    stages = ["--stage", f"{ROOT / 'models/cnn-small/2'}:0.97", "--stage", str(ROOT / "models/cnn/3")]
    assert main(["cascade", *stages, "--version", "1", "--models-dir", str(place), "--sample"]) == 0
    images = draw("train")[0]
    expected = load_engine("litert", load_version(place, "cnn@1").directory, threads=1, max_batch_images=32).predict(
        images
    )
    assert expected.stages is not None
    decided = (expected.stages + 1).tolist()
    assert set(decided) == {1, 2}

    environ = {"MODELS_DIR": f"file://{place}", "MODELS_CACHE_DIR": str(tmp_path / "cache")}
    with running(redis_server.new_url(), 1, environ, api_in_thread=True) as system:
        job = system.submit(content=npy(images), headers={"Content-Type": "application/x-npy"})
        assert system.finished(job)["state"] == "done"
        items = system.items(job)
        assert [item["stage"] for item in items] == decided
        assert [item["prediction"] for item in items] == expected.probabilities.argmax(axis=1).tolist()
        np.testing.assert_allclose([item["probabilities"] for item in items], expected.probabilities, atol=1e-4)
        for stage in (1, 2):
            row = decided.index(stage)
            for query in ("", "?verbose=1"):
                answer = system.http.post(f"/mnist/classify{query}", content=image_file(images[row])).json()
                assert answer["debug"]["stage"] == stage
                np.testing.assert_allclose(answer["debug"]["probabilities"], expected.probabilities[row], atol=1e-4)
            shown = {layer["name"].partition("/")[0] for layer in answer["layers"]}
            assert shown == {f"stage-{number}" for number in range(1, stage + 1)}
