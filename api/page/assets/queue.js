/* The view "Queue": its length, its speed, the workers, and recent events. */

import { paintChart, SPAN_S } from "./chart.js";
import { byId, element, say } from "./dom.js";
import { happened, queuedText } from "./happenings.js";
import { follow, submitTestSet } from "./job.js";
import { busyLanes, oldestS, queuedImages } from "./lanes.js";
import { count, milliseconds, seconds, whole } from "./numbers.js";
import { testSet } from "./test-images.js";
import { showRefusal } from "./trouble.js";
import { currentView, onView } from "./views.js";
import { recentVersions, showWorkers } from "./workers.js";

const TITLES = {
  waiting: "Images in the queue",
  rate: "Images per second",
  batch: "Images per batch",
  wait: "Time in the queue",
};
const MAX_HAPPENINGS = 8;
const SAME_JOB_S = 10; // images queued within this time are shown as one upload
const history = { interactive: [], bulk: [], rate: [], batch: [], wait: [] };
const figures = {};
let last = null;
let newestQueued = null; // the newest event, if it is about queued images
let lanesChart;
let lanesLegend;

export function startQueue() {
  for (const [name, title] of Object.entries(TITLES)) {
    figures[name] = figure(title);
    byId("figures").append(figures[name].box);
  }
  lanesChart = element("canvas", { attributes: { role: "img", "aria-label": "Images waiting in each lane over the last two minutes" } });
  lanesLegend = { interactive: lane("interactive", "Interactive: single images, served first"), bulk: lane("bulk", "Bulk: jobs, served after them") };
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

export function showQueue(status, problem) {
  const nowS = performance.now() / 1000;
  for (const happening of happened(last, status, problem)) addHappening(happening, nowS);
  last = status;
  if (!status) return;
  const queued = queuedImages(status);
  note(nowS, { ...queued, rate: status.recent.images_per_s, batch: meanBatch(status), wait: waitOf(status)?.p50 ?? null });
  showFigures(status, queued);
  if (currentView() === "queue") paint();
}

/* Returns the mean size of recent batches, or null if there were none. */
const meanBatch = ({ recent }) => (recent.batches_per_s ? recent.images_per_s / recent.batches_per_s : null);

/* Returns {p50, p95, p99} in ms of recent single images, otherwise of jobs, or null if there were none. */
const waitOf = ({ recent }) => recent.queue_ms.interactive ?? recent.queue_ms.bulk;

/* Returns the most frequent batch sizes as "1 to 2". `batch_images` counts the sizes up to each power of two. */
function frequentBatch({ recent }) {
  const [mostFrequent] = Object.entries(recent.batch_images).reduce((one, other) => (other[1] > one[1] ? other : one));
  const size = Number(mostFrequent);
  return size > 2 ? `${whole(size / 2 + 1)} to ${whole(size)}` : whole(size);
}

function note(nowS, sample) {
  for (const [name, values] of Object.entries(history)) {
    if (sample[name] !== null) values.push([nowS, sample[name]]);
    while (values.length && values[0][0] < nowS - SPAN_S) values.shift();
  }
}

function showFigures(status, queued) {
  const { waiting, rate: speed, wait, batch } = figures;
  const oldest = Math.max(oldestS(status, "interactive"), oldestS(status, "bulk"));
  say(waiting.value, whole(queued.interactive + queued.bulk));
  say(waiting.more, oldest ? `the oldest for ${seconds(oldest)}` : "nothing waits");
  say(speed.value, whole(status.recent.images_per_s));
  say(speed.more, ableText(status.workers));
  const times = waitOf(status);
  const whose = status.recent.queue_ms.interactive ? "single images" : "jobs";
  say(wait.value, times ? milliseconds(times.p50) : "–");
  say(wait.more, times ? `${whose}; 99 % within ${milliseconds(times.p99)}` : "nothing was read recently");
  const images = meanBatch(status);
  say(batch.value, images === null ? "–" : images.toFixed(images < 10 ? 1 : 0));
  say(batch.more, images === null ? "no recent batch" : `mostly ${frequentBatch(status)}; model ${milliseconds(status.recent.model_ms.p50)}`);
  say(lanesLegend.interactive.value, whole(queued.interactive));
  say(lanesLegend.bulk.value, lanesOf(status, queued.bulk));
  showWorkers(byId("workers"), status.workers);
}

/* Returns the rate of the engines with the version that they run, if there is only one, else the versions. */
function ableText(workers) {
  const [model, ...others] = new Set(workers.flatMap(recentVersions));
  if (others.length) return `with ${[model, ...others].join(", ")}`;
  if (!model) return "";
  const able = workers.reduce((sum, { models }) => sum + (models[model]?.images_per_s ?? 0), 0);
  return able ? `of about ${whole(able)} possible with ${model}` : "";
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
  paintChart(figures.wait.canvas, [{ values: history.wait, ink: "accent" }], nowS, milliseconds);
  paintChart(lanesChart, [{ values: bulk, ink: "strong-line" }, { values: interactive, ink: "accent" }], nowS);
}

function addHappening({ kind, text, queued }, nowS) {
  if (queued && newestQueued?.model === queued.model && nowS - newestQueued.atS < SAME_JOB_S) {
    newestQueued.images += queued.images;
    newestQueued.atS = nowS;
    say(newestQueued.text, queuedText(newestQueued));
    return;
  }
  const now = new Date();
  const time = element("time", { dateTime: now.toISOString() }, now.toLocaleTimeString([], { hour12: false }));
  const list = byId("happened");
  const shown = element("span", {}, queued ? queuedText(queued) : text);
  list.prepend(element("li", { className: kind }, time, shown));
  newestQueued = queued ? { ...queued, atS: nowS, text: shown } : null;
  while (list.children.length > MAX_HAPPENINGS) list.lastElementChild.remove();
}

async function load() {
  const { labels } = await testSet();
  const id = await submitTestSet("", labels.length);
  say(byId("load-tally"), `${count(labels.length, "image")} queued.`);
  const job = await follow(id, { progress: () => {}, items: () => {} });
  say(byId("load-tally"), `${count(job.counts.done, "image")} read in ${seconds(job.elapsed_s)}.`);
}

function refused(problem) {
  showRefusal(problem);
  say(byId("load-tally"), `${problem.title}: ${problem.detail}`);
}
