/* The state of the service in a few words at the top of every view. */

import { byId, say } from "./dom.js";
import { queuedImages } from "./lanes.js";
import { count, whole } from "./numbers.js";
import { troubleOf } from "./trouble.js";

export function showPill(status, problem) {
  const trouble = troubleOf(status, problem);
  byId("pill").dataset.state = trouble ? trouble.kind : status ? "ok" : "unknown";
  if (!status) {
    say(byId("pill-text"), problem.status === 401 ? "needs a key" : "unreachable");
    return;
  }
  const { interactive, bulk } = queuedImages(status);
  say(byId("pill-text"), `${count(status.workers.length, "worker")} · ${whole(interactive + bulk)} queued`);
}
