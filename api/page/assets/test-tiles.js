/* The tiles of test images, and their descriptions. */

import { percent, whole } from "./numbers.js";
import { calm, colour } from "./theme.js";

const FRESH_MS = 420; // how long a tile is highlighted after its image was read
const BADGE_FROM = 30; // smallest tile in pixels that has room for a digit
const LOUD_BELOW = 20; // smaller tiles in pixels need a stronger highlight
const UNREAD_ALPHA = 0.3;

export class TestTiles {
  name = "Images of the test set";
  #images;
  #labels;
  #readings = null;
  #fresh = new Set();

  constructor(images, labels) {
    this.#images = images;
    this.#labels = labels;
  }

  /* `readings` is null if nothing has been read. */
  use(readings) {
    this.#readings = readings;
    this.#fresh.clear();
  }

  /* Highlights these tiles for a moment. `touch` repaints them. */
  light(indices, touch) {
    if (!calm()) {
      for (const index of indices) this.#fresh.add(index);
      setTimeout(() => {
        for (const index of indices) this.#fresh.delete(index);
        touch(indices);
      }, FRESH_MS);
    }
    touch(indices);
  }

  paint(context, index, x, y, side) {
    const read = this.#readings?.prediction(index) ?? null;
    const wrong = this.#readings?.isMistake(index) ?? false;
    if (wrong || this.#fresh.has(index)) {
      const loud = side < LOUD_BELOW ? "wrong" : "wrong-soft";
      context.fillStyle = colour(wrong ? loud : "accent-soft");
      context.fillRect(x, y, side, side);
    }
    context.globalAlpha = this.#readings && read === null ? UNREAD_ALPHA : 1;
    this.#images.paint(context, index, x, y, side);
    context.globalAlpha = 1;
    if (wrong && side >= BADGE_FROM) this.#badge(context, read, x, y, side);
  }

  #badge(context, digit, x, y, side) {
    const size = Math.max(12, Math.round(side * 0.3));
    context.font = `700 ${size}px system-ui, sans-serif`;
    context.textAlign = "right";
    context.textBaseline = "bottom";
    context.lineWidth = 3;
    context.strokeStyle = colour("wrong-soft");
    context.strokeText(String(digit), x + side - 2, y + side);
    context.fillStyle = colour("wrong");
    context.fillText(String(digit), x + side - 2, y + side);
  }

  describe(index) {
    if (index === undefined) return "";
    const label = `Image ${whole(index)}: a ${this.#labels[index]}`;
    const read = this.#readings?.prediction(index) ?? null;
    if (read === null) return this.#readings?.error(index) ? `${label}, ${this.#readings.error(index)}` : label;
    const share = percent(this.#readings.share(index), 0);
    return this.#readings.isMistake(index) ? `${label}, read as ${read} (${share} sure): a mistake` : `${label}, read as such (${share} sure)`;
  }
}
