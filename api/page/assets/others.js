/* The view "Other models": pictures, classified by a version that takes other images than MNIST's. */

import { byId, element, say } from "./dom.js";
import { onFiles } from "./dropping.js";
import { milliseconds, percent } from "./numbers.js";
import { isPicture, sendable } from "./picture.js";
import { askJson } from "./service.js";
import { offerOthers, otherOf } from "./version-list.js";

const MAX_SHOWN = 50; // newest pictures
const BEST = 5;

export function startOthers() {
  const model = byId("others-model");
  offerOthers(model, (some) => {
    byId("others-tab").hidden = !some;
  });
  model.addEventListener("change", describe);

  function describe() {
    const { width, height, channels, labels } = otherOf(model.value) ?? {};
    const colour = channels === 1 ? "grey" : "colour";
    say(byId("others-lead"), width ? `${model.value} takes ${width}×${height} pixels in ${colour}, and knows ${labels} labels.` : "");
  }

  function take(files) {
    describe();
    for (const file of [...files].filter(isPicture)) classify(file);
  }

  async function classify(file) {
    const row = element("li", {}, element("p", { className: "how" }, `${file.name} …`));
    const list = byId("others-list");
    list.prepend(row);
    while (list.children.length > MAX_SHOWN) list.lastChild.remove();
    try {
      const resize = byId("others-resize").value;
      const path = `models/${encodeURIComponent(model.value)}/classify?show=fitted${resize ? `&resize=${resize}` : ""}`;
      row.replaceChildren(...shown(file.name, await askJson(path, { method: "POST", body: await sendable(file).catch(() => file) })));
    } catch (error) {
      row.replaceChildren(element("p", { className: "fault" }, `${file.name}: ${error.detail ?? error}`));
    }
  }

  byId("others-files").addEventListener("change", (event) => {
    take(event.target.files);
    event.target.value = "";
  });
  onFiles("others", byId("others-drop"), take);
}

function shown(name, answer) {
  const picture = element("img", { src: `data:image/png;base64,${answer.fitted}`, alt: `${name} as the model saw it` });
  const verdict = answer.label ?? `unsure, perhaps ${answer.best[0].label}`;
  const best = answer.best.slice(0, BEST).map(({ label, probability }) =>
    element("li", {}, element("span", {}, label), element("meter", { max: 1, value: probability }), element("span", {}, percent(probability))),
  );
  const how = `${name}, by ${answer.model} in ${milliseconds(answer.elapsed_time_ms)}`;
  return [picture, element("div", {}, element("p", { className: "sure" }, verdict), element("p", { className: "how" }, how), element("ol", { className: "best-labels" }, ...best))];
}
