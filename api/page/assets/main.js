/* The playground: its views, and the status that all of them live by. */

import { byId, say } from "./dom.js";
import { startDraw } from "./draw.js";
import { startFiles } from "./files.js";
import { startKey } from "./key.js";
import { tellModels } from "./models.js";
import { whole } from "./numbers.js";
import { tellPill } from "./pill.js";
import { startQueue, tellQueue } from "./queue.js";
import { onStatus, startStatus } from "./status.js";
import { startTestSet } from "./test-set.js";
import { tellStatus } from "./trouble.js";
import { startViews } from "./views.js";

function tellDataset(status) {
  if (!status) return;
  const { name, images } = status.dataset;
  const what = name === "mnist" ? "images of MNIST" : "digits drawn by the project, not MNIST";
  say(byId("dataset-note"), `Test set: ${whole(images)} ${what}`);
}

startKey();
startDraw();
startTestSet();
startFiles();
startQueue();
startViews();
for (const listener of [tellModels, tellStatus, tellPill, tellQueue, tellDataset]) onStatus(listener);
startStatus();
