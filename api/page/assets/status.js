/* Polls the status of the service while the page is visible. */

import { sleep } from "./dom.js";
import { onKey } from "./key.js";
import { askJson, Problem } from "./service.js";
import { currentView } from "./views.js";

const EVERY_MS = 1000;
const BUSY_EVERY_MS = 300; // while the queue is shown or a job runs
const TIMEOUT_MS = 3000;
const listeners = [];
let busy = 0;
let wake = () => {};

/* Calls `listener` with each status, or with null and a Problem. */
export const onStatus = (listener) => listeners.push(listener);

/* Polls more often until the promise `work` settles. */
export async function closely(work) {
  busy += 1;
  wake();
  try {
    return await work;
  } finally {
    busy -= 1;
  }
}

export async function startStatus() {
  onKey(() => wake());
  document.addEventListener("visibilitychange", () => wake());
  for (;;) {
    if (!document.hidden) await poll();
    const pause = busy || currentView() === "queue" ? BUSY_EVERY_MS : EVERY_MS;
    await Promise.race([sleep(pause), new Promise((resolve) => { wake = resolve; })]);
  }
}

async function poll() {
  let status = null;
  let problem = null;
  try {
    status = await askJson("status", { timeoutMs: TIMEOUT_MS });
  } catch (error) {
    problem = error instanceof Problem ? error : new Problem(0, "The page failed", String(error));
  }
  for (const listener of listeners) listener(status, problem);
}
