/* The view "Files": many pictures or a folder as one job, with a wall of the results. */

import { Details } from "./details.js";
import { byId, element, say } from "./dom.js";
import { onFiles } from "./dropping.js";
import { FileTiles } from "./file-tiles.js";
import { cancel, follow, submit } from "./job.js";
import { count, seconds, whole } from "./numbers.js";
import { isPicture, sendable } from "./picture.js";
import { NO_DIGIT, NO_NUMBER, Readings } from "./readings.js";
import { numberSubject, pictureSubject } from "./subject.js";
import { showRefusal } from "./trouble.js";
import { modelQuery, offerModels } from "./version-list.js";
import { Wall } from "./wall.js";

let files = [];
let readings = null;
let wall = null;
let running = false;
let kind = "digit"; // what each of the files shows
const tiles = new FileTiles();

export function startFiles() {
  offerModels(byId("files-model"));
  const details = new Details(byId("files-details"));
  const shown = (index) => ({
    title: files[index].name,
    truth: readings.error(index) ?? count(Math.ceil(files[index].size / 1024), "kB", "kB"),
    right: null,
    subject: (kind === "number" ? numberSubject : pictureSubject)(() => sendable(files[index])),
    picture: tiles.url(index),
  });
  wall = new Wall(byId("files-wall"), {
    name: "Pictures that were read",
    paint: (...args) => tiles.paint(...args),
    describe: (index) => tiles.describe(index),
    open: (index) => details.open(shown(index)),
    walked: (index) => details.walk(() => shown(index)),
  });
  byId("files-kind").addEventListener("change", ({ target }) => {
    byId("files-model").disabled = target.value === "number"; // numbers have a model of their own
  });
  const take = (chosen) => readAll(chosen).catch(refused);
  for (const id of ["choose-files", "choose-folder"]) {
    byId(id).addEventListener("change", (event) => {
      take([...event.target.files]);
      event.target.value = "";
    });
  }
  onFiles("files", byId("drop"), (dropped) => {
    details.close();
    take(dropped);
  });
}

async function readAll(chosen) {
  if (running) return;
  const pictures = chosen.filter(isPicture).sort((one, other) => pathOf(one).localeCompare(pathOf(other), [], { numeric: true }));
  const skipped = chosen.length - pictures.length;
  if (!pictures.length) {
    tally(`${count(skipped, "file")}, none of them a picture.`);
    return;
  }
  running = true;
  try {
    files = pictures;
    kind = byId("files-kind").value;
    readings = new Readings(files.length);
    tiles.use(files, readings);
    byId("drop").classList.add("small");
    byId("files-results").hidden = false;
    wall.show(files.map((_, index) => index), "");
    tiles.load((index) => wall.touch([index]));
    await upload(skipped);
  } finally {
    running = false;
    byId("files-cancel").hidden = true;
    byId("files-progress").hidden = true;
  }
}

async function upload(skipped) {
  const body = new FormData();
  for (const [index, file] of files.entries()) {
    tally(`Preparing picture ${whole(index + 1)} of ${whole(files.length)} …`);
    body.append("file", await sendable(file).catch(() => file), file.name); // a file that cannot be opened fails alone
  }
  tally(`Sending ${count(files.length, "picture")} …`);
  const query = kind === "number" ? "fit=number" : ["fit=digit", modelQuery(byId("files-model").value)].filter(Boolean).join("&");
  const id = await submit(query, { body });
  byId("files-cancel").hidden = false;
  byId("files-cancel").onclick = () => cancel(id).catch(showRefusal);
  byId("files-progress").hidden = false;
  const job = await follow(id, {
    progress: (state) => {
      byId("files-progress").value = state.progress;
      tally(`${whole(state.total * state.progress)} of ${whole(state.total)} read`);
    },
    items: (items) => wall.touch(readings.take(items)),
  });
  const parts = [`${count(readings.read, "picture")} read by ${job.model} in ${seconds(job.elapsed_s)}`];
  const undrawn = readings.errors.filter((error) => error.startsWith(NO_DIGIT) || error.startsWith(NO_NUMBER)).length;
  const failed = files.length - readings.read - undrawn - readings.unsure;
  if (readings.unsure) parts.push(`${whole(readings.unsure)} unsure`);
  if (undrawn) parts.push(`${whole(undrawn)} without a ${kind}`);
  if (failed) parts.push(job.state === "cancelled" ? `${whole(failed)} not read` : `${whole(failed)} could not be read: select one to see why`);
  if (skipped) parts.push(`${count(skipped, "other file")} skipped`);
  byId("files-tally").replaceChildren(element("strong", {}, parts[0]), parts.slice(1).map((part) => ` · ${part}`).join(""));
  say(byId("heard"), parts.join(", "));
}

function refused(problem) {
  showRefusal(problem);
  tally(`${problem.title ?? "The pictures could not be sent"}: ${problem.detail ?? problem.message}`);
}

/* Returns the path within the chosen folder, or the name. */
const pathOf = (file) => file.webkitRelativePath || file.name;

const tally = (text) => say(byId("files-tally"), text);
