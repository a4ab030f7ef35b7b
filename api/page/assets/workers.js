/* The list of workers. */

import { element, say } from "./dom.js";
import { count, milliseconds, seconds, whole } from "./numbers.js";

const RECENT_S = 2.5; // about the time between two heartbeats, which a rate is measured over

const blocks = new Map(); // by name

export function showWorkers(box, workers) {
  for (const worker of workers) {
    if (!blocks.has(worker.name)) blocks.set(worker.name, block());
    showWorker(blocks.get(worker.name), worker);
  }
  const names = new Set(workers.map(({ name }) => name));
  for (const name of blocks.keys()) if (!names.has(name)) blocks.delete(name);
  const shown = workers.map(({ name }) => blocks.get(name).box);
  if (!shown.length) shown.push(element("p", { className: "none" }, "None. Start one with make run, or celery -A worker.app worker --pool solo."));
  if (shown.length !== box.children.length || shown.some((each, place) => box.children[place] !== each)) box.replaceChildren(...shown);
}

function block() {
  const parts = { name: text("name"), rate: text("soft"), batch: element("div"), models: text("soft"), heard: text("soft") };
  const meter = element("div", { className: "batch", attributes: { "aria-hidden": "true" } }, parts.batch);
  const box = element("div", { className: "worker" }, line(parts.name, parts.rate), meter, line(parts.models, parts.heard));
  return { box, ...parts };
}

const text = (className) => element("span", { className });

const line = (...children) => element("div", { className: "line" }, ...children);

/* Returns the versions of a worker's recent batches, which share its rate. */
export function recentVersions({ last_batch: batch, models }) {
  const last = batch && models[batch.model];
  return last ? Object.keys(models).filter((name) => models[name].idle_s <= last.idle_s + RECENT_S) : [];
}

function showWorker(parts, worker) {
  const { last_batch: batch, models } = worker;
  const versions = recentVersions(worker);
  const able = versions.length === 1 ? models[versions[0]].images_per_s : 0;
  parts.box.classList.toggle("late", worker.late);
  say(parts.name, worker.name);
  say(parts.rate, `${whole(worker.recent_images_per_s)}${able ? ` of about ${whole(able)}` : ""} images/s${versions.length > 1 ? ` with ${versions.length} versions` : ""}`);
  parts.batch.style.transform = `scaleX(${able ? Math.min(1, worker.recent_images_per_s / able) : 0})`;
  say(parts.models, batch ? batchText(batch) : `no batch yet; ${Object.keys(models).join(", ")}`);
  say(parts.heard, worker.late ? `silent for ${seconds(worker.silent_s)}` : `${whole(worker.images)} images in total`);
}

const batchText = ({ images, took_ms: tookMs, model }) => `last batch: ${count(images, "image")} in ${milliseconds(tookMs)} by ${model}`;
