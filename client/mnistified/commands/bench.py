"""The `bench` command: measure a running service under a load of single images or jobs."""

import argparse
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mnistified.client import Client
from mnistified.commands.exit_codes import OK, SOME_FAILED, UNAVAILABLE
from mnistified.commands.progress import Bar
from mnistified.commands.single import options_of
from mnistified.errors import MnistifiedError, ServiceError
from mnistified.http.load import CLOSED, Load, closed_loop, percentile
from mnistified.options import query_of
from mnistified.uploads.files import is_archive

TEST_IMAGES = 32  # images of the service's test set, by default
CONNECTIONS = 16
PERCENTILES = (0.5, 0.9, 0.99)


def bench(client: Client, arguments: argparse.Namespace) -> int:
    """Send single images, or jobs if the argument is an archive or array."""
    if arguments.seconds <= 0 or (arguments.connections is not None and arguments.connections < 1):
        raise ValueError("--seconds must be more than 0, and --connections 1 or more")
    jobs = any(is_archive(image) for image in arguments.images)
    if jobs and len(arguments.images) > 1:
        raise ValueError("expected a single archive or array")
    connections = arguments.connections or (1 if jobs else CONNECTIONS)
    client.status()  # fails before the measurement if the service is unreachable or the key is wrong
    with Bar("bench", " s", round(arguments.seconds), quiet=arguments.quiet) as bar:
        if jobs:
            load, images = _jobs(client, arguments, connections, bar)
        else:
            load, images = _singles(client, arguments, connections, bar), None
    summary = _summarize(load, connections, images)
    print(json.dumps(summary) if arguments.json else "\n".join(_lines(summary)))
    if not load.latencies_s:
        return UNAVAILABLE
    return SOME_FAILED if load.refused or load.failed else OK


def _singles(client: Client, arguments: argparse.Namespace, connections: int, bar: Bar) -> Load:
    path = client.path_of(query_of(**options_of(arguments)))
    if not arguments.images and path.startswith("/models/") and arguments.resize is None:
        raise ValueError(f"name images for {arguments.model}: the test images of the service are digits")
    pngs = [Path(image).read_bytes() for image in arguments.images] or [
        client.test_image(index)[0] for index in range(TEST_IMAGES)
    ]
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
    """Submit jobs, on each connection one after the other. Return the load and the number of classified images."""
    (path,) = arguments.images
    load = Load()
    start_s = time.perf_counter()

    def submit_until_the_end() -> int:
        done = 0
        while (begun_s := time.perf_counter()) - start_s < arguments.seconds:
            bar.show(int(begun_s - start_s))
            try:
                done += client.submit(path, **options_of(arguments)).wait().counts.get("done", 0)
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


def _summarize(load: Load, connections: int, images: int | None) -> dict[str, Any]:
    """Return the JSON output. `images` is None for single images, where every answer is one image."""
    answers = len(load.latencies_s)
    summary: dict[str, Any] = {
        "connections": connections,
        "seconds": round(load.seconds, 3),
        "answers": answers,
        "images_per_s": round((answers if images is None else images) / load.seconds, 1) if load.seconds else 0.0,
        "refused": dict(load.refused),
        "failed": dict(load.failed),
    }
    if answers:
        latencies_ms = [latency_s * 1e3 for latency_s in load.latencies_s]
        summary |= {f"p{share * 100:g}_ms": round(percentile(latencies_ms, share), 3) for share in PERCENTILES}
        summary["max_ms"] = round(max(latencies_ms), 3)
    return summary | ({} if images is None else {"images": images})


def _lines(summary: dict[str, Any]) -> list[str]:
    unit = f"jobs with {summary['images']:,} images" if "images" in summary else "answers"
    lines = [
        f"{summary['answers']:,} {unit} in {summary['seconds']:.1f} s over {summary['connections']} connections: "
        f"{summary['images_per_s']:,.0f} images/s"
    ]
    times = [name for name in summary if name.endswith("_ms")]
    if times:
        lines.append(", ".join(f"{name.removesuffix('_ms')} {summary[name]:,.1f} ms" for name in times))
    lines += [
        f"{kind}: " + ", ".join(f"{count:,} × {status}" for status, count in summary[kind].items())
        for kind in ("refused", "failed")
        if summary[kind]
    ]
    return lines
