/* The ten probabilities as bars. */

import { element, say } from "./dom.js";
import { percent } from "./numbers.js";

const DIGITS = 10;
const MIN_LABELLED = 0.005; // smaller shares have no number

export class Bars {
  #rows;

  /* `list` is an <ol>. */
  constructor(list) {
    this.#rows = Array.from({ length: DIGITS }, (_, digit) => {
      const share = element("span", { className: "share" });
      const fill = element("span", { className: "fill" });
      const name = element("span", { className: "name" }, String(digit));
      const track = element("span", { className: "track" }, fill);
      const row = element("li", {}, share, track, name);
      list.append(row);
      return { row, share, fill };
    });
  }

  /* `probabilities` is null if they are unknown. */
  show(probabilities) {
    const best = probabilities ? probabilities.indexOf(Math.max(...probabilities)) : -1;
    this.#rows.forEach(({ row, share, fill }, digit) => {
      const is = probabilities?.[digit] ?? 0;
      row.classList.toggle("best", digit === best);
      fill.style.transform = `scaleY(${is})`;
      say(share, is >= MIN_LABELLED ? percent(is, is >= 0.995 ? 1 : 0) : "");
    });
  }
}
