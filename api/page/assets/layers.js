/* The output of each layer of a model as pictures. */

import { element } from "./dom.js";

/* Fills `box` with the layers of a response to a request with verbose=1&maps=png. */
export function showLayers(box, answer) {
  if (!answer.layers) {
    box.replaceChildren(element("p", { className: "how" }, `No layers: ${answer.layers_error}`));
    return;
  }
  const input = { name: "input", class: "28 × 28 pixels", png: answer.input.png };
  box.replaceChildren(...[input, ...answer.layers].map(card));
}

function card(layer) {
  const title = element("strong", {}, layer.name);
  const what = layer.shape ? `${layer.class}, ${layer.shape.join(" × ")}` : layer.class;
  const image = element("img", { src: `data:image/png;base64,${layer.png}`, alt: `Maps of ${layer.name}` });
  return element("figure", { className: "layer" }, image, element("figcaption", {}, title, element("br"), what));
}
