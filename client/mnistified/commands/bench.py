"""`bench`: a load on a running service, of single images or of whole jobs."""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from mnistified.client import Client
from mnistified.commands.exits import AWAY, OK, SOME_FAILED
from mnistified.commands.progress import Bar
from mnistified.errors import MnistifiedError, ServiceError
from mnistified.http.load import CLOSED, Load, closed_loop, percentile
from mnistified.options import query_of
from mnistified.uploads.files import is_archive

CLASSIFY = "/mnist/classify"
TEST_IMAGES = 32  # of the service's own, where no image is given
CONNECTIONS = 16
SHARES = (0.5, 0.9, 0.99)


def bench(client: Client, arguments: argparse.Namespace) -> int:
    """Singles, or jobs where one archive or array is given."""
    if arguments.seconds <= 0 or (arguments.connections is not None and arguments.connections < 1):
        raise ValueError("bench takes more than 0 seconds and 1 connection or more")
    jobs = any(is_archive(image) for image in arguments.images)
    if jobs and len(arguments.images) > 1:
        raise ValueError("jobs are made of one archive or array, given by itself")
    connections = arguments.connections or (1 if jobs else CONNECTIONS)
    client.status()  # a service that is not there, or a wrong key, is told before anything is measured
    with Bar("bench", " s", round(arguments.seconds)) as bar:
        if jobs:
            load, images = _jobs(client, arguments, connections, bar)
        else:
            load, images = _singles(client, arguments, connections, bar), None
    told = _told(load, connections, images)
    print(json.dumps(told) if arguments.json else "\n".join(_lines(told)))
    if not load.latencies_s:
        return AWAY
    return SOME_FAILED if load.refused or load.failed else OK


def _singles(client: Client, arguments: argparse.Namespace, connections: int, bar: Bar) -> Load:
    pngs = [Path(image).read_bytes() for image in arguments.images] or [
        client.test_image(index)[0] for index in range(TEST_IMAGES)
    ]
    query = urlencode(query_of(arguments.model, fit=arguments.fit))
    path = f"{CLASSIFY}?{query}" if query else CLASSIFY
    return closed_loop(
        client.url,
        path,
        pngs,
        connections,
        arguments.seconds,
        key=client.key,
        patient=arguments.patient,
        progress=lambda elapsed_s: bar.show(int(elapsed_s)),
    )


def _jobs(client: Client, arguments: argparse.Namespace, connections: int, bar: Bar) -> tuple[Load, int]:
    """Each connection submits the next job once its last one is final; and how many images were classified."""
    (path,) = arguments.images
    load = Load()
    start_s = time.perf_counter()

    def submit_until_the_end() -> int:
        done = 0
        while (begun_s := time.perf_counter()) - start_s < arguments.seconds:
            bar.show(int(begun_s - start_s))
            try:
                done += client.submit(path, model=arguments.model, fit=arguments.fit).wait().counts.get("done", 0)
            except ServiceError as error:
                load.count(error.status, time.perf_counter() - begun_s)
            except MnistifiedError:
                load.failed[CLOSED] += 1
            else:
                load.latencies_s.append(time.perf_counter() - begun_s)
        return done

    with ThreadPoolExecutor(connections) as threads:
        images = sum(threads.map(lambda _: submit_until_the_end(), range(connections)))
    load.seconds = time.perf_counter() - start_s
    return load, images


def _told(load: Load, connections: int, images: int | None) -> dict[str, Any]:
    """`images` is None for singles: a request is one."""
    answers = len(load.latencies_s)
    told: dict[str, Any] = {
        "connections": connections,
        "seconds": round(load.seconds, 3),
        "answers": answers,
        "images_per_s": round((answers if images is None else images) / load.seconds, 1) if load.seconds else 0.0,
        "refused": dict(load.refused),
        "failed": dict(load.failed),
    }
    if answers:
        latencies_ms = [latency_s * 1e3 for latency_s in load.latencies_s]
        told |= {f"p{share * 100:g}_ms": round(percentile(latencies_ms, share), 3) for share in SHARES}
        told["max_ms"] = round(max(latencies_ms), 3)
    return told | ({} if images is None else {"images": images})


def _lines(told: dict[str, Any]) -> list[str]:
    what = f"jobs of {told['images']:,} images" if "images" in told else "answers"
    lines = [
        f"{told['answers']:,} {what} in {told['seconds']:.1f} s over {told['connections']} connections: "
        f"{told['images_per_s']:,.0f} images/s"
    ]
    times = [name for name in told if name.endswith("_ms")]
    if times:
        lines.append(", ".join(f"{name.removesuffix('_ms')} {told[name]:,.1f} ms" for name in times))
    lines += [
        f"{kind}: " + ", ".join(f"{count:,} × {status}" for status, count in told[kind].items())
        for kind in ("refused", "failed")
        if told[kind]
    ]
    return lines
