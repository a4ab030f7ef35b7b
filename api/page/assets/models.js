/* The view "Models": every version with its accuracy, its size, and the workers that have loaded it. */

import { byId, element, say } from "./dom.js";
import { count, whole } from "./numbers.js";
import { askJson } from "./service.js";
import { currentView, onView } from "./views.js";

const cards = new Map(); // by reference; a published version never changes
let status = null;
let shown = ""; // the part of the status that the table shows

export function startModels() {
  onView("models", () => show().catch(failed));
}

export function showModels(newest) {
  status = newest ?? status;
  if (status && currentView() === "models" && shownPart() !== shown) show().catch(failed);
}

function shownPart() {
  const { models, aliases, model, workers } = status;
  const loaded = workers.map((worker) => Object.entries(worker.models).map(([ref, state]) => [ref, state.images_per_s]));
  return JSON.stringify([models, aliases, model, loaded]);
}

async function show() {
  if (!status) return;
  shown = shownPart();
  const refs = Object.entries(status.models).flatMap(([name, versions]) => versions.toReversed().map((version) => [name, version]));
  await Promise.all(refs.map(([name, version]) => load(name, version)));
  byId("model-rows").replaceChildren(...refs.map(([name, version]) => row(name, version)));
  say(byId("models-tally"), "");
}

async function load(name, version) {
  const ref = `${name}@${version}`;
  if (!cards.has(ref)) cards.set(ref, await askJson(`models/${name}/${version}`));
}

function row(name, version) {
  const ref = `${name}@${version}`;
  const card = cards.get(ref);
  const states = status.workers.map((worker) => worker.models[ref]).filter(Boolean);
  const rates = states.map((state) => state.images_per_s);
  return element(
    "tr",
    {},
    element("th", { attributes: { scope: "row" } }, ref),
    element("td", {}, uses(name, version).join(", ") || "–"),
    element("td", {}, accuracyText(card.accuracy)),
    element("td", {}, card.parameters ? whole(card.parameters) : "–"),
    element("td", {}, `${whole(states.length)} of ${count(status.workers.length, "worker")}`),
    element("td", {}, rates.length ? whole(rates.reduce((sum, rate) => sum + rate, 0) / rates.length) : "–"),
    element("td", { className: "soft" }, card.architecture ?? ""),
  );
}

/* Returns the aliases that name a version; "default" answers requests without `model`. */
function uses(name, version) {
  const isDefault = status.model.name === name && status.model.version === version;
  const aliases = Object.entries(status.aliases[name] ?? {}).filter(([, alias]) => alias.version === version).map(([alias]) => alias);
  return isDefault ? ["default", ...aliases] : aliases;
}

function accuracyText(accuracy) {
  if (accuracy?.dataset !== "mnist") return "not measured";
  return `${whole(accuracy.correct)} of ${whole(accuracy.images)}`;
}

const failed = (problem) => say(byId("models-tally"), `The models cannot be shown: ${problem.detail ?? problem.message}`);
