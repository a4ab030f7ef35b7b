"""One `model.predict` per request: Keras as its tutorials show it, behind Starlette."""

import time
from pathlib import Path

import anyio.to_thread
import numpy as np
import orjson
import tensorflow as tf
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers.digits import ROUTE, decode_png, tuning


def main() -> None:
    model = tf.keras.models.load_model(Path(tuning().model_dir, "model.keras"), compile=False)
    one_at_a_time = anyio.CapacityLimiter(tuning().workers)

    async def post_classify(request: Request) -> Response:
        started_s = time.perf_counter()
        pixels = decode_png(await request.body()).astype(np.float32).reshape(1, 28, 28, 1)
        predicted = await anyio.to_thread.run_sync(lambda: model.predict(pixels, verbose=0), limiter=one_at_a_time)
        reply = {
            "prediction": int(predicted[0].argmax()),
            "elapsed_time_ms": round((time.perf_counter() - started_s) * 1e3, 3),
            "debug": {"probabilities": predicted[0].tolist()},
        }
        return Response(orjson.dumps(reply), media_type="application/json")

    app = Starlette(routes=[Route(ROUTE, post_classify, methods=["POST"])])
    uvicorn.run(app, host="127.0.0.1", port=tuning().port, log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
