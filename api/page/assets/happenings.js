/* The events between two statuses of the service. Pure functions. */

import { count, whole } from "./numbers.js";

const LARGE_JOB = 500; // additional images in the queue since the previous status

/* Returns [{kind, text}], the differences between two statuses. Both may be null while the service is unreachable; `problem`
   is the reason. Newly queued images have `queued`, {model, images}, instead of `text`, so that they can be summed. */
export function happened(before, now, problem) {
  if (!now) return before ? [{ kind: "error", text: problem.detail.startsWith("Redis is unreachable") ? "Redis became unreachable" : `${problem.title}` }] : [];
  if (!before) return [{ kind: "", text: `The service is up, with ${count(now.workers.length, "worker")}` }];
  return [...ofWorkers(before, now), ...ofCounts(before, now)];
}

export const queuedText = ({ model, images }) => `${whole(images)} more images queued for ${model}`;

function ofWorkers(before, now) {
  const earlier = new Map(before.workers.map((worker) => [worker.name, worker]));
  const found = [];
  for (const worker of now.workers) {
    const was = earlier.get(worker.name);
    earlier.delete(worker.name);
    const name = worker.name.split("@")[0];
    if (!was) found.push({ kind: "", text: `${name} started` });
    else if (was.pid !== worker.pid) found.push({ kind: "error", text: `${name} died and was restarted` });
    else if (worker.late && !was.late) found.push({ kind: "error", text: `${name} stopped responding` });
    else if (was.late && !worker.late) found.push({ kind: "", text: `${name} responds again` });
    for (const ref of Object.keys(worker.models)) {
      if (was && was.pid === worker.pid && !(ref in was.models)) found.push({ kind: "", text: `${name} loaded ${ref}` });
    }
  }
  for (const name of earlier.keys()) found.push({ kind: "error", text: `${name.split("@")[0]} left` });
  return found;
}

function ofCounts(before, now) {
  const found = [];
  const taken = now.takeovers - before.takeovers;
  const dead = now.dead_letters - before.dead_letters;
  if (taken > 0) found.push({ kind: "", text: `${count(taken, "entry", "entries")} of a lost worker taken over` });
  if (dead > 0) found.push({ kind: "error", text: `${count(dead, "image")} moved to the dead-letter stream: workers died on it` });
  if (now.status === "stalled" && before.status !== "stalled") found.push({ kind: "error", text: "The queue has stalled" });
  for (const [model, lanes] of Object.entries(now.queues)) {
    const more = lanes.bulk.images - (before.queues[model]?.bulk.images ?? 0);
    if (more >= LARGE_JOB) found.push({ kind: "", queued: { model, images: more } });
  }
  return found;
}
