"""The commands `status` and `models`, which describe the service."""

import argparse
import json
from collections.abc import Iterator, Mapping
from typing import Any

from mnistified.client import Client
from mnistified.commands.exit_codes import OK, UNAVAILABLE
from mnistified.errors import ServiceFailed


def status(client: Client, arguments: argparse.Namespace) -> int:
    """Print the status of the service."""
    document = client.status()
    if not isinstance(document, Mapping) or "workers" not in document:
        raise ServiceFailed(200, "Not the API", f"{client.url}/status has no workers: another program has this address")
    if arguments.json:
        print(json.dumps(document))
    else:
        print("\n".join(_status_lines(client.url, document)))
    return OK if document.get("status") == "ok" else UNAVAILABLE


def models(client: Client, arguments: argparse.Namespace) -> int:
    """Print the models and their versions."""
    by_name = client.models()
    if arguments.json:
        print(json.dumps({"models": by_name}))
    else:
        for name, model in by_name.items():
            print(f"{name}: {_versions(model)}")
    return OK


def _status_lines(url: str, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of `status`, without lines for missing fields."""
    yield f"service  {url}: {document.get('status', 'unknown')}"
    model = document.get("model", {})
    if "name" in model:
        yield f"model    {model['name']}@{model.get('version')}"
    workers = document.get("workers", [])
    yield f"workers  {len(workers)}"
    for name, lanes in document.get("queues", {}).items():
        depths = ", ".join(f"{depth.get('images', 0):,} {lane}" for lane, depth in lanes.items())
        yield f"queued   {depths} ({name})"
    notice = document.get("trainings", {}).get("notice")
    if notice:
        yield f"training {notice}"
    dataset = document.get("dataset", {})
    if "name" in dataset:
        yield f"dataset  {dataset['name']}, {dataset.get('images', 0):,} images"


def _versions(model: Any) -> str:
    """Return the versions of a model, given as a list or as a document with a list."""
    versions = model.get("versions", model) if isinstance(model, Mapping) else model
    return ", ".join(str(version) for version in versions) if isinstance(versions, list | Mapping) else str(versions)
