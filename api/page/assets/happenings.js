/* What happened between two looks at the service. Pure. */

import { count, whole } from "./numbers.js";

const LARGE_JOB = 500; // images more in the queue than a look before

/* [{kind, text}] of what `now` has and `before` had not; either may be null while the service is away, and `problem` says
   why `now` is. Images that came into the queue are `queued`, {model, images}, in place of a text, to be added up. */
export function happened(before, now, problem) {
  if (!now) return before ? [{ kind: "away", text: problem.detail.startsWith("Redis is unreachable") ? "Redis went away" : `${problem.title}` }] : [];
  if (!before) return [{ kind: "", text: `The service is there, with ${count(now.workers.length, "worker")}` }];
  return [...ofWorkers(before, now), ...ofCounts(before, now)];
}

export const queuedText = ({ model, images }) => `${whole(images)} more images queued for ${model}`;

function ofWorkers(before, now) {
  const earlier = new Map(before.workers.map((worker) => [worker.name, worker]));
  const told = [];
  for (const worker of now.workers) {
    const was = earlier.get(worker.name);
    earlier.delete(worker.name);
    const name = worker.name.split("@")[0];
    if (!was) told.push({ kind: "", text: `${name} came` });
    else if (was.pid !== worker.pid) told.push({ kind: "away", text: `${name} died, and was started anew` });
    else if (worker.late && !was.late) told.push({ kind: "away", text: `${name} fell silent` });
    else if (was.late && !worker.late) told.push({ kind: "", text: `${name} is heard of again` });
    for (const ref of Object.keys(worker.models)) {
      if (was && was.pid === worker.pid && !(ref in was.models)) told.push({ kind: "", text: `${name} loaded ${ref}` });
    }
  }
  for (const name of earlier.keys()) told.push({ kind: "away", text: `${name.split("@")[0]} left` });
  return told;
}

function ofCounts(before, now) {
  const told = [];
  const taken = now.takeovers - before.takeovers;
  const dead = now.dead_letters - before.dead_letters;
  if (taken > 0) told.push({ kind: "", text: `${count(taken, "entry", "entries")} of a lost worker taken over` });
  if (dead > 0) told.push({ kind: "away", text: `${count(dead, "image")} set aside: no worker survives it` });
  if (now.status === "stalled" && before.status !== "stalled") told.push({ kind: "away", text: "The queue stands still" });
  for (const [model, lanes] of Object.entries(now.queues)) {
    const more = lanes.bulk.images - (before.queues[model]?.bulk.images ?? 0);
    if (more >= LARGE_JOB) told.push({ kind: "", queued: { model, images: more } });
  }
  return told;
}
