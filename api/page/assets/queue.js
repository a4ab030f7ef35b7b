/* The view "Queue": how much waits, how fast it is worked off, by whom, and what happened. */

import { paintChart, SPAN_S } from "./chart.js";
import { byId, element, say } from "./dom.js";
import { happened, queuedText } from "./happenings.js";
import { follow, submitTestSet } from "./job.js";
import { busyLanes, oldestS, queuedImages } from "./lanes.js";
import { count, milliseconds, seconds, whole } from "./numbers.js";
import { showWorkers } from "./workers.js";
import { testSet } from "./test-images.js";
import { tellRefused } from "./trouble.js";
import { currentView, onView } from "./views.js";

const TITLES = {
  waiting: "Images in the queue",
  rate: "Images a second",
  batch: "Images in a batch",
  wait: "Time in the queue",
};
const MAX_SHOWN = 8;
const SAME_JOB_S = 10; // between two looks that find more images of an upload
const history = { interactive: [], bulk: [], rate: [], batch: [], wait: [] };
const figures = {};
let last = null;
let newestQueued = null; // what was told last, where that was of images
let lanesChart;
let lanesLegend;

export function startQueue() {
  for (const [name, title] of Object.entries(TITLES)) {
    figures[name] = figure(title);
    byId("figures").append(figures[name].box);
  }
  lanesChart = element("canvas", { attributes: { role: "img", "aria-label": "Images waiting in each lane over the last two minutes" } });
  lanesLegend = { interactive: lane("interactive", "Interactive: single images, first"), bulk: lane("bulk", "Bulk: jobs, what is left") };
  byId("lanes").append(lanesChart, element("div", { className: "legend" }, lanesLegend.interactive.box, lanesLegend.bulk.box));
  byId("load").addEventListener("click", () => load().catch(refused));
  onView("queue", () => requestAnimationFrame(paint));
}

function figure(title) {
  const value = element("p", { className: "value" }, "–");
  const more = element("p", { className: "more" });
  const canvas = element("canvas", { attributes: { role: "img", "aria-label": `${title}, over the last two minutes` } });
  return { box: element("section", { className: "figure" }, element("h2", {}, title), value, more, canvas), value, more, canvas };
}

function lane(name, title) {
  const value = element("strong", {}, "0");
  return { box: element("span", { className: name }, element("span", { className: "key" }), `${title}: `, value), value };
}

export function tellQueue(status, problem) {
  const nowS = performance.now() / 1000;
  for (const happening of happened(last, status, problem)) tellHappened(happening, nowS);
  last = status;
  if (!status) return;
  const queued = queuedImages(status);
  note(nowS, { ...queued, rate: status.recent.images_per_s, batch: meanBatch(status), wait: waitOf(status)?.p50 ?? null });
  tellFigures(status, queued);
  if (currentView() === "queue") paint();
}

/* Images of a batch on the average, lately; null where there was none. */
const meanBatch = ({ recent }) => (recent.batches_per_s ? recent.images_per_s / recent.batches_per_s : null);

/* {p50, p95, p99} in ms: of single images where there were any, else of jobs'; null where there was neither. */
const waitOf = ({ recent }) => recent.queue_ms.interactive ?? recent.queue_ms.bulk;

/* "1 to 2", for the sizes of most batches; `batch_images` counts those of up to each power of two. */
function usualBatch({ recent }) {
  const most = Object.entries(recent.batch_images).reduce((one, other) => (other[1] > one[1] ? other : one));
  const size = Number(most[0]);
  return size > 2 ? `${whole(size / 2 + 1)} to ${whole(size)}` : whole(size);
}

function note(nowS, sample) {
  for (const [name, values] of Object.entries(history)) {
    if (sample[name] !== null) values.push([nowS, sample[name]]);
    while (values.length && values[0][0] < nowS - SPAN_S) values.shift();
  }
}

function tellFigures(status, queued) {
  const { waiting, rate: speed, wait, batch } = figures;
  const oldest = Math.max(oldestS(status, "interactive"), oldestS(status, "bulk"));
  say(waiting.value, whole(queued.interactive + queued.bulk));
  say(waiting.more, oldest ? `the oldest for ${seconds(oldest)}` : "nothing waits");
  say(speed.value, whole(status.recent.images_per_s));
  const able = status.workers.reduce((sum, worker) => sum + Math.max(0, ...Object.values(worker.models).map((model) => model.images_per_s)), 0);
  say(speed.more, able ? `of ${whole(able)} that the engines can do` : "");
  const times = waitOf(status);
  const whose = status.recent.queue_ms.interactive ? "single images" : "of jobs";
  say(wait.value, times ? milliseconds(times.p50) : "–");
  say(wait.more, times ? `${whose}; 99 of 100 within ${milliseconds(times.p99)}` : "nothing was read lately");
  const images = meanBatch(status);
  say(batch.value, images === null ? "–" : images.toFixed(images < 10 ? 1 : 0));
  say(batch.more, images === null ? "no batch lately" : `mostly ${usualBatch(status)}; model ${milliseconds(status.recent.model_ms.p50)}`);
  say(lanesLegend.interactive.value, whole(queued.interactive));
  say(lanesLegend.bulk.value, lanesOf(status, queued.bulk));
  showWorkers(byId("workers"), status.workers);
}

function lanesOf(status, images) {
  const models = busyLanes(status).filter(({ lane: name }) => name === "bulk").map(({ model }) => model);
  return models.length ? `${whole(images)} (${models.join(", ")})` : whole(images);
}

function paint() {
  const nowS = performance.now() / 1000;
  const { interactive, bulk } = history;
  const both = bulk.map(([timeS, images], place) => [timeS, images + interactive[place][1]]);
  paintChart(figures.waiting.canvas, [{ values: both, ink: "accent" }], nowS);
  paintChart(figures.rate.canvas, [{ values: history.rate, ink: "accent" }], nowS);
  paintChart(figures.batch.canvas, [{ values: history.batch, ink: "accent" }], nowS);
  paintChart(figures.wait.canvas, [{ values: history.wait, ink: "accent" }], nowS);
  paintChart(lanesChart, [{ values: bulk, ink: "strong-line" }, { values: interactive, ink: "accent" }], nowS, { scale: true });
}

function tellHappened({ kind, text, queued }, nowS) {
  if (queued && newestQueued?.model === queued.model && nowS - newestQueued.atS < SAME_JOB_S) {
    newestQueued.images += queued.images;
    newestQueued.atS = nowS;
    say(newestQueued.text, queuedText(newestQueued));
    return;
  }
  const now = new Date();
  const time = element("time", { dateTime: now.toISOString() }, now.toLocaleTimeString([], { hour12: false }));
  const list = byId("happened");
  const told = element("span", {}, queued ? queuedText(queued) : text);
  list.prepend(element("li", { className: kind }, time, told));
  newestQueued = queued ? { ...queued, atS: nowS, text: told } : null;
  while (list.children.length > MAX_SHOWN) list.lastElementChild.remove();
}

async function load() {
  const { labels } = await testSet();
  const id = await submitTestSet("", labels.length);
  say(byId("load-tally"), `${count(labels.length, "image")} queued.`);
  const job = await follow(id, { progress: () => {}, items: () => {} });
  say(byId("load-tally"), `${count(job.counts.done, "image")} read in ${seconds(job.elapsed_s)}.`);
}

function refused(problem) {
  tellRefused(problem);
  say(byId("load-tally"), `${problem.title}: ${problem.detail}`);
}
