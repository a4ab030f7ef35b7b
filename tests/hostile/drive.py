"""Send all of it, and account for what came back."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx

from tests.hostile.pictures import bad_pictures
from tests.hostile.uploads import bad_uploads
from tests.system import System

CLASSIFY = "/mnist/classify"
BULK = "/mnist/classify/bulk"
BAD_PARAMETERS = [
    *(
        f"/mnist/{kind}/{index}"
        for kind in ("image", "label", "classify")
        for index in ("x", "1e3", "10000000", "-1", "%00")
    ),
    *(
        f"/mnist/classify/1?{query}"
        for query in ("model=nope", "model=cnn@0", "model=../cnn", "timeout_s=-1", "model=%ff")
    ),
    *(f"/results/{result_id}" for result_id in ("x", "j", "j" + "0" * 16, "0" * 16 + "-0", "%2e%2e", "*", "j*")),
    *(
        f"/results/j{'0' * 16}/items?{query}"
        for query in ("limit=0", "limit=x", "offset=-1", "limit=99999999999999999999")
    ),
    f"/results/j{'0' * 16}?wait=nan",
    "/nowhere",
    "/mnist/label/1/2",
]


@dataclass(slots=True)
class Tally:
    """Of one class: how its inputs were answered. `complaints` name what must not be."""

    tried: int = 0
    refused: int = 0
    failed_alone: int = 0
    server_errors: int = 0
    complaints: list[str] = field(default_factory=list)


def send_all(system: System) -> dict[str, Tally]:
    """Class -> tally. Blocks until every job that was accepted is final."""
    tallies: dict[str, Tally] = {}
    for kind, name, request in inputs(system.http):
        tally = tallies.setdefault(kind, Tally())
        tally.tried += 1
        reply = system.http.send(request)
        if reply.status_code >= 500:
            tally.server_errors += 1
            tally.complaints.append(f"{kind} {name}: {reply.status_code} {reply.text[:200]}")
        elif reply.status_code >= 400:
            tally.refused += 1
            if not reply.json()["detail"]:
                tally.complaints.append(f"{kind} {name}: {reply.status_code} without a reason")
        elif reply.status_code == 202 and all_failed(system, reply.json()["id"]):
            tally.failed_alone += 1
        else:
            tally.complaints.append(f"{kind} {name}: {reply.status_code} {reply.text[:200]}")
    return tallies


def inputs(client: httpx.Client) -> Iterator[tuple[str, str, httpx.Request]]:
    """(class, name, request) of everything there is."""
    for name, data in bad_pictures().items():
        yield "image", name, client.build_request("POST", CLASSIFY, content=data)
    for kind, uploads in bad_uploads().items():
        for name, (content_type, body) in uploads.items():
            headers = {"Content-Type": content_type} if content_type else {}
            yield kind, name, client.build_request("POST", BULK, content=body, headers=headers)
    for path in BAD_PARAMETERS:
        yield "parameter", path, client.build_request("GET", path)


def all_failed(system: System, job_id: str) -> bool:
    """Whether every image of the job failed, with a reason, and can be listed."""
    system.finished(job_id)
    items = system.items(job_id)
    return bool(items) and all(item["state"] == "failed" and item["error"] for item in items)
