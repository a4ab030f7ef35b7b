/* The view "Queue": how much waits, how fast it is worked off, by whom, and what happened. */

import { paintChart, SPAN_S } from "./chart.js";
import { byId, element, say } from "./dom.js";
import { happened } from "./happenings.js";
import { follow, submitTestSet } from "./job.js";
import { busyLanes, oldestS, queuedImages } from "./lanes.js";
import { count, milliseconds, seconds, whole } from "./numbers.js";
import { showWorkers } from "./workers.js";
import { testSet } from "./test-images.js";
import { tellRefused } from "./trouble.js";
import { currentView, onView } from "./views.js";

const MOST_TOLD = 8;
const history = { interactive: [], bulk: [], rate: [], batch: [], latency: [] };
const figures = {};
let last = null;
let lanesChart;
let lanesLegend;

export function startQueue() {
  for (const [name, title] of [["waiting", "Images in the queue"], ["rate", "Images a second"], ["batch", "Images in a batch"], ["latency", "Answer to one image"]]) {
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
  for (const { kind, text } of happened(last, status, problem ?? { title: "", detail: "" })) tellHappened(kind, text);
  last = status;
  if (!status) return;
  const queued = queuedImages(status);
  const rate = rateOf(status);
  note(nowS, { ...queued, rate, batch: batchOf(status), latency: latencyOf(status)?.p50_ms ?? null });
  tellFigures(status, queued, rate);
  if (currentView() === "queue") paint();
}

/* Images/s of all workers lately. */
const rateOf = (status) => status.workers.reduce((sum, worker) => sum + worker.recent_images_per_s, 0);

/* Images of the newest batch of all workers; null where there was none. */
function batchOf(status) {
  const batches = status.workers.map((worker) => worker.last_batch).filter(Boolean);
  return batches.length ? batches.reduce((one, other) => (other.finished_s > one.finished_s ? other : one)).images : null;
}

const latencyOf = (status) => status.latency?.total ?? null;

function note(nowS, sample) {
  for (const [name, values] of Object.entries(history)) {
    if (sample[name] !== null) values.push([nowS, sample[name]]);
    while (values.length && values[0][0] < nowS - SPAN_S) values.shift();
  }
}

function tellFigures(status, queued, rate) {
  const { waiting, rate: speed, latency, batch } = figures;
  const oldest = Math.max(oldestS(status, "interactive"), oldestS(status, "bulk"));
  say(waiting.value, whole(queued.interactive + queued.bulk));
  say(waiting.more, oldest ? `the oldest for ${seconds(oldest)}` : "nothing waits");
  say(speed.value, whole(rate));
  const able = status.workers.reduce((sum, worker) => sum + Math.max(0, ...Object.values(worker.models).map((model) => model.images_per_s)), 0);
  say(speed.more, able ? `of ${whole(able)} that the engines can do` : "");
  const times = latencyOf(status);
  say(latency.value, times ? milliseconds(times.p50_ms) : "–");
  say(latency.more, times ? `99 of 100 within ${milliseconds(times.p99_ms)}` : "no request lately");
  const images = batchOf(status);
  say(batch.value, images === null ? "–" : whole(images));
  say(batch.more, images === null ? "no batch yet" : "the newest one");
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
  paintChart(figures.latency.canvas, [{ values: history.latency, ink: "accent" }], nowS);
  paintChart(lanesChart, [{ values: bulk, ink: "strong-line" }, { values: interactive, ink: "accent" }], nowS, { scale: true });
}

function tellHappened(kind, text) {
  const now = new Date();
  const time = element("time", { dateTime: now.toISOString() }, now.toLocaleTimeString([], { hour12: false }));
  const list = byId("happened");
  list.prepend(element("li", { className: kind }, time, text));
  while (list.children.length > MOST_TOLD) list.lastElementChild.remove();
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
