/* What is wrong now, in one line below the top; nothing where nothing is. */

import { byId, say } from "./dom.js";
import { fullLane } from "./lanes.js";
import { count, seconds, whole } from "./numbers.js";

let refusal = null; // of a request of this page: it passes by itself
let standing = null; // what the status says

/* What a status, or the Problem that there was instead, has wrong: {kind, title, detail}, or null. Pure. */
export function troubleOf(status, problem) {
  if (problem?.status === 401) return null; // the dialog says so
  if (problem?.detail.startsWith("the queue is away")) return { kind: "away", title: "Redis is away.", detail: "What was accepted is kept, and goes on once it is back. Nothing new is taken meanwhile." };
  if (problem) return { kind: "away", title: `${problem.title}.`, detail: problem.detail };
  if (!status.workers.length) return { kind: "away", title: "No worker is running.", detail: "Jobs wait in the queue until one comes; single digits are not taken meanwhile." };
  const full = fullLane(status);
  if (full) return { kind: "warn", title: "The queue is full.", detail: `${whole(full.images)} images wait in the ${full.lane} lane of ${full.model}. More are refused until there is room.` };
  const late = status.workers.filter((worker) => worker.late);
  if (late.length) {
    const silent = late.map((worker) => `${worker.name.split("@")[0]} has been silent for ${seconds(worker.silent_s)}`);
    return { kind: "warn", title: late.length === status.workers.length ? "No worker is heard of." : "A worker is not heard of.", detail: `${silent.join(", ")}. What it had in hand is taken over by another.` };
  }
  if (status.status === "stalled") return { kind: "warn", title: "The queue stands still.", detail: "Images have waited for long, and no batch has ended since." };
  return null;
}

export function tellStatus(status, problem) {
  standing = troubleOf(status, problem);
  show();
}

/* A request of the page was refused. Shown for as long as the service said to wait. */
export function tellRefused(problem) {
  const waitS = problem.retryAfterS ?? 1;
  const untilMs = performance.now() + Math.max(2, waitS) * 1000;
  if (problem.status === 429) refusal = { kind: "warn", title: "The queue is full.", detail: `${capital(problem.detail)}. It should have room again in about ${count(waitS, "second")}.`, untilMs };
  show();
}

function show() {
  if (refusal && performance.now() > refusal.untilMs) refusal = null;
  const trouble = standing?.kind === "away" ? standing : (refusal ?? standing);
  const box = byId("trouble");
  box.hidden = !trouble;
  if (!trouble) return;
  box.dataset.kind = trouble.kind;
  say(byId("trouble-title"), trouble.title);
  say(byId("trouble-detail"), trouble.detail);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
