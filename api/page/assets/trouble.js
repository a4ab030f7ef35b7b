/* The current problem of the service, in one line below the header. */

import { byId, say } from "./dom.js";
import { fullLane } from "./lanes.js";
import { count, seconds, whole } from "./numbers.js";

const REDIS_AWAY = {
  title: "Redis is unreachable.",
  detail: "Accepted images are kept and continue once Redis is back. New requests are refused until then.",
};
const NO_WORKER = {
  title: "No worker is running.",
  detail: "Jobs wait in the queue until a worker starts. Single images are refused until then.",
};
const STALLED = {
  title: "The queue has stalled.",
  detail: "Images have waited for a long time, and no batch has finished since.",
};
let refusal = null; // of a request of this page; it is hidden after a while
let current = null; // the problem that the status reports

/* Returns the problem that a status or a failed poll reports as {kind, title, detail}, or null. Pure function. */
export function troubleOf(status, problem) {
  if (problem?.status === 401) return null; // shown by the dialog
  if (problem?.detail.startsWith("Redis is unreachable")) return { kind: "error", ...REDIS_AWAY };
  if (problem) return { kind: "error", title: `${problem.title}.`, detail: problem.detail };
  if (status.redis) return { kind: "error", title: "Redis cannot be trusted with images.", detail: `${status.redis}.` };
  if (!status.workers.length) return { kind: "error", ...NO_WORKER };
  const trouble = troubleOfQueue(status) ?? troubleOfWorkers(status.workers);
  if (trouble) return { kind: "warn", ...trouble };
  if (status.status === "stalled") return { kind: "warn", ...STALLED };
  const notice = status.trainings?.notice;
  return notice ? { kind: "warn", title: "A training waits.", detail: `${capital(notice)}.` } : null;
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
    title: late.length === workers.length ? "No worker is responding." : "A worker is not responding.",
    detail: `${silent.join(", ")}. Another worker takes over its images.`,
  };
}

export function showStatus(status, problem) {
  current = troubleOf(status, problem);
  show();
}

/* Shows that a request was refused, for as long as the service requested to wait. */
export function showRefusal(problem) {
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
  const trouble = current?.kind === "error" ? current : (refusal ?? current);
  const box = byId("trouble");
  box.hidden = !trouble;
  if (!trouble) return;
  box.dataset.kind = trouble.kind;
  say(byId("trouble-title"), trouble.title);
  say(byId("trouble-detail"), trouble.detail);
}

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);
