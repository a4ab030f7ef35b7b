/* The choice of test images to show: all, the mistakes, or one label. */

import { byId, element, say } from "./dom.js";
import { whole } from "./numbers.js";

const ALL = "all";
const MISTAKES = "mistakes";

export class Filters {
  chosen = ALL;
  #labels;
  #buttons = new Map();

  /* `changed()` is called when the choice changes. */
  constructor(labels, changed) {
    this.#labels = labels;
    const names = [ALL, MISTAKES, ...Array.from({ length: 10 }, (_, digit) => String(digit))];
    for (const name of names) {
      const button = element("button", { type: "button", attributes: { "aria-pressed": String(name === ALL) } }, this.#text(name, 0));
      button.addEventListener("click", () => this.choose(name, changed));
      this.#buttons.set(name, button);
      if (name === "0") byId("filters").append(element("span", { className: "between" }, "Labelled"));
      byId("filters").append(button);
    }
    this.#buttons.get(MISTAKES).disabled = true;
  }

  choose(name, changed) {
    this.chosen = name;
    for (const [each, button] of this.#buttons) button.setAttribute("aria-pressed", String(each === name));
    changed();
  }

  get wantsMistakes() {
    return this.chosen === MISTAKES;
  }

  showMistakes(count, known) {
    say(this.#buttons.get(MISTAKES), this.#text(MISTAKES, count));
    this.#buttons.get(MISTAKES).disabled = !known;
  }

  /* Returns the indices of the images to show. */
  order(readings) {
    const order = [];
    for (let index = 0; index < this.#labels.length; index += 1) {
      const shown = this.chosen === ALL || (this.wantsMistakes ? readings?.isMistake(index) : this.#labels[index] === Number(this.chosen));
      if (shown) order.push(index);
    }
    return order;
  }

  #text(name, mistakes) {
    if (name === ALL) return `All ${whole(this.#labels.length)}`;
    return name === MISTAKES ? `Mistakes ${whole(mistakes)}` : name;
  }
}
