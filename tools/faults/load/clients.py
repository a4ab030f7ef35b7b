"""The mixed load of a drill: threads that send singles and jobs, and one that reads the accepted results."""

import math
import random
import threading
import time
from collections.abc import Callable
from typing import Any

import httpx

from shared.contract.entry import images_per_entry
from tools.faults.account import Tally, complaint_of, fingerprints, judge, judge_forgiven, lost, wrong
from tools.faults.load.http import Client
from tools.faults.load.images import Pictures
from tools.faults.record import Accepted, Record

CLASSIFY = "/mnist/classify"
PNG = {"Content-Type": "image/png"}
ASYNC = {**PNG, "Prefer": "respond-async"}
NPY = {"Content-Type": "application/x-npy"}
JOB_STATES = frozenset({"done", "done_with_errors", "failed", "expired", "cancelled"})
SINGLES_THREADS = 3
JOB_THREADS = 2
BULK_ENTRY_IMAGES = 640
OTHERS_SHARE = 0.3  # share of requests for another model, if there is one
MAX_WAITING = 40  # limit of unfinished jobs
SINGLES_PAUSE_S = 0.004
JOBS_PAUSE_S = 0.2
REFUSED_PAUSE_S = 0.02
POLL_S = 0.02
ITEMS_LIMIT = 10_000


class Load:
    """The load between `start` and `stop`. Other threads may call `send_single` and `send_job` with own clients.

    With `other`, a share of the images are those, for their model.
    """

    def __init__(
        self, urls: list[str], pictures: Pictures, record: Record, seed: int, other: Pictures | None = None
    ) -> None:
        self._urls = urls
        self._pictures = pictures
        self._other = other
        self._record = record
        self._seed = seed
        self._stopping = threading.Event()
        self._read_on = threading.Event()
        self._senders: list[threading.Thread] = []
        self._reader = threading.Thread(target=self._read_forever, name="reader")

    def client(self, number: int = 0) -> Client:
        return Client(self._urls, number)

    def start(self) -> None:
        for number in range(SINGLES_THREADS + JOB_THREADS):
            one = self._one_single if number < SINGLES_THREADS else self._one_job
            thread = threading.Thread(target=self._send_forever, args=(number, one), name=f"client-{number}")
            self._senders.append(thread)
        for thread in (*self._senders, self._reader):
            thread.start()

    def stop(self, settle_s: float) -> None:
        """Stop sending and wait for the accepted results. Results that are not final by then are lost."""
        self._stopping.set()
        for thread in self._senders:
            thread.join()
        deadline_s = time.monotonic() + settle_s
        while self._record.waiting() and time.monotonic() < deadline_s:
            self._read_on.wait(POLL_S)
        self._read_on.set()
        self._reader.join()
        for accepted in self._record.waiting():
            self._record.add(lost(accepted.id, len(accepted.numbers), f"not final {settle_s:g} s after the load"))

    def send_single(self, client: Client, number: int, model: str = "") -> bool:
        """POST image `number`, wait for the answer and judge it. Return False if the image was refused."""
        sent_s = time.monotonic()
        try:
            reply = client.post(self._path(CLASSIFY, model), self._pictures_for(model).pngs[number], PNG)
        except httpx.TimeoutException:
            self._record.add(lost("a single", 1, "no answer at all"))
            return True
        if reply is None or reply.status_code in (429, 503):
            self._record.refuse(job=False)
            return False
        if reply.status_code == 504:
            self._record.accept(Accepted(reply.json()["id"], (number,), model, sent_s))
            return True
        single = Accepted("", (number,), model, sent_s, time.monotonic())
        self._record.answer_single(single, self._judge_single(reply, single))
        return True

    def send_job(self, client: Client, numbers: list[int], model: str = "") -> Accepted | None:
        """POST these images as one job. Return None if the job was refused."""
        sent_s = time.monotonic()
        try:
            if len(numbers) == 1:
                reply = client.post(self._path(CLASSIFY, model), self._pictures_for(model).pngs[numbers[0]], ASYNC)
            else:
                reply = client.post(self._path(f"{CLASSIFY}/bulk", model), self._pictures_for(model).npy(numbers), NPY)
        except httpx.TimeoutException:
            self._record.add(lost("a job", len(numbers), "no answer at all"))
            return None
        if reply is None or reply.status_code in (429, 503):
            self._record.refuse(job=True)
            return None
        if reply.status_code != 202:
            self._record.add(wrong(f"a job of {len(numbers)} was answered {reply.status_code}: {reply.text[:200]}"))
            return None
        accepted = Accepted(reply.json()["id"], numbers, model, sent_s)
        self._record.accept(accepted)
        return accepted

    def read(self, client: Client, accepted: Accepted) -> tuple[dict[str, Any], list[dict[str, Any]]] | None:
        """Return state and items of a final result, or None if it is not final or not readable now."""
        state = client.get_json(f"/results/{accepted.id}")
        if state is None or state["state"] not in JOB_STATES:
            return None
        page = client.get_json(f"/results/{accepted.id}/items?limit={ITEMS_LIMIT}")
        return None if page is None else (state, page["items"])

    def _judge_single(self, reply: httpx.Response, single: Accepted) -> Tally:
        """Judge any answer but a refusal."""
        answer = reply.json() if "json" in reply.headers.get("content-type", "") else {}
        if reply.status_code == 200:
            item = {"index": 0, "state": "done", "prediction": answer["prediction"], "error": None}
            item["probabilities"] = answer.get("probabilities", answer["debug"].get("probabilities"))
            single.id = answer["id"]
            single.prints = fingerprints([item])
        else:
            item = {"state": "failed", "error": answer.get("detail", reply.text[:200]), "prediction": None}
        complaint = complaint_of(single.numbers[0], item, self._pictures_for(single.model).oracle_of(single.model))
        return wrong(f"a single, {reply.status_code}: {complaint}") if complaint else Tally()

    def _send_forever(self, number: int, one: Callable[[Client, random.Random], None]) -> None:
        rng = random.Random(f"{self._seed} {number}")
        client = self.client(number)
        while not self._stopping.is_set():
            one(client, rng)
        client.close()

    def _one_single(self, client: Client, rng: random.Random) -> None:
        pictures = self._choose(rng)
        sent = self.send_single(client, rng.randrange(pictures.honest), pictures.model)
        self._stopping.wait(SINGLES_PAUSE_S if sent else REFUSED_PAUSE_S)

    def _one_job(self, client: Client, rng: random.Random) -> None:
        if len(self._record.waiting()) >= MAX_WAITING:
            self._stopping.wait(JOBS_PAUSE_S)
            return
        pictures = self._choose(rng)
        numbers = rng.choices(range(pictures.honest), k=rng.choice(job_sizes(pictures)))
        sent = self.send_job(client, numbers, pictures.model)
        self._stopping.wait(JOBS_PAUSE_S if sent else REFUSED_PAUSE_S)

    def _read_forever(self) -> None:
        """Read every accepted result as soon as it is final."""
        client = self.client()
        while not self._read_on.wait(POLL_S):
            for accepted in self._record.waiting():
                self._settle(client, accepted)
        client.close()

    def _settle(self, client: Client, accepted: Accepted) -> None:
        try:
            found = self.read(client, accepted)
        except (httpx.HTTPStatusError, httpx.TimeoutException) as error:
            forgiven = self._record.is_forgiven(accepted)
            tally = Tally() if forgiven else lost(accepted.id, len(accepted.numbers), repr(error))
            self._record.settle(accepted, time.monotonic(), [], tally)
            return
        if found is not None:
            state, items = found
            # The end as the service reports it: this thread may read it later.
            final_s = min(time.monotonic(), accepted.sent_s + state.get("elapsed_s", math.inf))
            oracle = self._pictures_for(accepted.model).oracle_of(accepted.model)
            if self._record.is_forgiven(accepted):
                tally = judge_forgiven(accepted.id, accepted.numbers, items, oracle)
            else:
                tally = judge(accepted.id, accepted.numbers, state["counts"], items, oracle)
            self._record.settle(accepted, final_s, fingerprints(items), tally)

    def _choose(self, rng: random.Random) -> Pictures:
        return self._other if self._other is not None and rng.random() < OTHERS_SHARE else self._pictures

    def _pictures_for(self, model: str) -> Pictures:
        return self._other if self._other is not None and model == self._other.model else self._pictures

    def _path(self, path: str, model: str) -> str:
        if self._other is not None and model == self._other.model:
            return path.replace("/mnist", f"/models/{model}")
        return f"{path}?model={model}" if model else path


def job_sizes(pictures: Pictures) -> tuple[int, ...]:
    """Return the numbers of images in jobs: one, which uses the interactive lane, to three entries."""
    entry = images_per_entry(pictures.images[0].size, BULK_ENTRY_IMAGES)
    return 1, max(2, entry // 8), entry + entry // 6, 11 * entry // 4
