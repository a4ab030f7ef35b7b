/* Jobs: submitted, followed to their end, cancelled. */

import { events } from "./events.js";
import { ask, askJson } from "./service.js";
import { closely } from "./status.js";

const PAGE_ITEMS = 1000;

/* Creates a job and returns its id. `options` are those of the request, `query` is its query string. */
export async function submit(query, options) {
  const path = query ? `mnist/classify/bulk?${query}` : "mnist/classify/bulk";
  const { id } = await askJson(path, { method: "POST", timeoutMs: 0, ...options });
  return id;
}

export const submitTestSet = (query, count) =>
  submit(query, {
    body: JSON.stringify({ start: 0, stop: count }),
    headers: { "Content-Type": "application/json" },
  });

/* Calls `progress(job)` with each state and `items(list)` with each item once. Returns the final state. */
export async function follow(id, { progress, items }) {
  return closely(followed(id, progress, items));
}

async function followed(id, progress, items) {
  let job = null;
  for await (const { data } of events(`results/${id}/events`, "final")) {
    job = data;
    progress(job);
    for (const [start, stop] of job.new_items) {
      for (let offset = start; offset < stop;) {
        const limit = Math.min(PAGE_ITEMS, stop - offset);
        const page = await askJson(`results/${id}/items?offset=${offset}&limit=${limit}`);
        items(page.items);
        offset += page.items.length || limit; // a page of large items ends early
      }
    }
  }
  return job;
}

export const cancel = (id) => ask(`results/${id}`, { method: "DELETE" });
