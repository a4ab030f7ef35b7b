/* The output of each layer of a model as pictures. */

import { element } from "./dom.js";

const EXPLAINED = {
  Rescaling: "pixels from 0 to 1",
  Conv1D: "blurred a little",
  Conv2D: "each small picture shows where one pattern was found",
  BatchNormalization: "the same, with mean and contrast adjusted",
  ReLU: "only what was found remains, the rest is black",
  MaxPooling2D: "the strongest of neighbouring values",
  AveragePooling2D: "the mean of neighbouring values",
  Dense: "what speaks for each digit, 0 to 9",
  Softmax: "the probability of each digit, 0 to 9",
};
const LEAD = "From input to answer: the output of each layer. Bright means a high value.";

/* Fills `box` with the layers of a response to a request with verbose=1&maps=png. */
export function showLayers(box, answer) {
  if (!answer.layers) {
    box.replaceChildren(element("p", { className: "how" }, `No layers: ${answer.layers_error}`));
    return;
  }
  const input = { name: "input", class: "28 × 28 pixels", png: answer.input.png };
  const cards = [input, ...answer.layers].map(card);
  box.replaceChildren(element("p", { className: "how" }, LEAD), ...cards);
}

function card(layer) {
  const title = element("strong", {}, layer.name);
  const what = layer.shape ? `${layer.class}, ${layer.shape.join(" × ")}` : layer.class;
  const image = element("img", { src: `data:image/png;base64,${layer.png}`, alt: `Maps of ${layer.name}` });
  const explained = EXPLAINED[layer.class];
  const caption = element("figcaption", {}, title, element("br"), what, explained && element("span", { className: "explained" }, explained));
  return element("figure", { className: "layer" }, image, caption);
}
