/* What is wrong now, in one line below the top; nothing where nothing is. */

import { byId, say } from "./dom.js";
import { fullLane } from "./lanes.js";
import { count, seconds, whole } from "./numbers.js";

const REDIS_AWAY = {
  title: "Redis is away.",
  detail: "What was accepted is kept, and goes on once it is back. Nothing new is taken meanwhile.",
};
const NO_WORKER = {
  title: "No worker is running.",
  detail: "Jobs wait in the queue until one comes; single digits are not taken meanwhile.",
};
const STALLED = {
  title: "The queue stands still.",
  detail: "Images have waited for long, and no batch has ended since.",
};
let refusal = null; // of a request of this page: it passes by itself
let standing = null; // what the status says

/* What a status, or the Problem that there was instead, has wrong: {kind, title, detail}, or null. Pure. */
export function troubleOf(status, problem) {
  if (problem?.status === 401) return null; // the dialog says so
  if (problem?.detail.startsWith("Redis is unreachable")) return { kind: "away", ...REDIS_AWAY };
  if (problem) return { kind: "away", title: `${problem.title}.`, detail: problem.detail };
  if (!status.workers.length) return { kind: "away", ...NO_WORKER };
  const trouble = troubleOfQueue(status) ?? troubleOfWorkers(status.workers);
  if (trouble) return { kind: "warn", ...trouble };
  return status.status === "stalled" ? { kind: "warn", ...STALLED } : null;
}

function troubleOfQueue(status) {
  const full = fullLane(status);
  if (!full) return null;
  const waits = `${whole(full.images)} images wait in the ${full.lane} lane of ${full.model}`;
  return { title: "The queue is full.", detail: `${waits}. More are refused until there is room.` };
}

function troubleOfWorkers(workers) {
  const late = workers.filter((worker) => worker.late);
  if (!late.length) return null;
  const silent = late.map(({ name, silent_s: silentS }) => `${name.split("@")[0]} has been silent for ${seconds(silentS)}`);
  return {
    title: late.length === workers.length ? "No worker is heard of." : "A worker is not heard of.",
    detail: `${silent.join(", ")}. What it had in hand is taken over by another.`,
  };
}

export function tellStatus(status, problem) {
  standing = troubleOf(status, problem);
  show();
}

/* A request of the page was refused. Shown for as long as the service said to wait. */
export function tellRefused(problem) {
  const waitS = problem.retryAfterS ?? 1;
  const untilMs = performance.now() + Math.max(2, waitS) * 1000;
  if (problem.status === 429) {
    const detail = `${capital(problem.detail)}. It should have room again in about ${count(waitS, "second")}.`;
    refusal = { kind: "warn", title: "The queue is full.", detail, untilMs };
  }
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
