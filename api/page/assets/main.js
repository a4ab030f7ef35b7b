/* The playground: starts its views and updates them with each status. */

import { byId, say } from "./dom.js";
import { startDraw } from "./draw.js";
import { startFiles } from "./files.js";
import { startKey } from "./key.js";
import { showModels, startModels } from "./models.js";
import { whole } from "./numbers.js";
import { startOthers } from "./others.js";
import { showPill } from "./pill.js";
import { startQueue, showQueue } from "./queue.js";
import { onStatus, startStatus } from "./status.js";
import { startTestSet } from "./test-set.js";
import { showStatus } from "./trouble.js";
import { listVersions } from "./version-list.js";
import { startViews } from "./views.js";

function showDataset(status) {
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
startModels();
startOthers();
startViews();
for (const listener of [listVersions, showStatus, showPill, showQueue, showModels, showDataset]) onStatus(listener);
startStatus();
