"""`status` and `models`: the service itself."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from mnistified.client import Client
from mnistified.commands.exits import AWAY, OK


def status(client: Client, arguments: argparse.Namespace) -> int:
    told = client.status()
    if arguments.json:
        print(json.dumps(told))
    else:
        print("\n".join(_status_lines(client.url, told)))
    return OK if told.get("status") == "ok" else AWAY


def models(client: Client, arguments: argparse.Namespace) -> int:
    told = client.models()
    if arguments.json:
        print(json.dumps({"models": told}))
    else:
        for name, about in told.items():
            print(f"{name}: {_versions(about)}")
    return OK


def _status_lines(url: str, told: Mapping[str, Any]) -> Iterator[str]:
    """What a service does not tell is left out."""
    yield f"service  {url}: {told.get('status', 'unknown')}"
    model = told.get("model", {})
    if "name" in model:
        yield f"model    {model['name']}@{model.get('version')}"
    workers = told.get("workers", [])
    yield f"workers  {len(workers)}"
    for name, lanes in told.get("queues", {}).items():
        depths = ", ".join(f"{depth.get('images', 0):,} {lane}" for lane, depth in lanes.items())
        yield f"queued   {depths} ({name})"
    dataset = told.get("dataset", {})
    if "name" in dataset:
        yield f"dataset  {dataset['name']}, {dataset.get('images', 0):,} images"


def _versions(about: Any) -> str:
    """Of a list of versions, or of a document that has one."""
    versions = about.get("versions", about) if isinstance(about, Mapping) else about
    return ", ".join(str(version) for version in versions) if isinstance(versions, list | Mapping) else str(versions)
