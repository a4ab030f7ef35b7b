/* The tile under the pointer, larger, and what it is. */

import { element, say, sized } from "./dom.js";

const SIDE = 64;
const NEEDED_BELOW = 40; // pixels of a tile that shows well enough what it is

export class Loupe {
  box = element("div", { className: "wall-loupe", hidden: true, attributes: { "aria-hidden": "true" } });
  #canvas = element("canvas");
  #text = element("span");
  #tiles;

  constructor(tiles) {
    this.#tiles = tiles;
    this.box.append(this.#canvas, this.#text);
  }

  /* Beside the pointer of `event`, within `root`; not where the tile is large enough itself. */
  show(index, event, root, tileSide) {
    this.box.hidden = tileSide >= NEEDED_BELOW;
    if (this.box.hidden) return;
    say(this.#text, this.#tiles.describe(index));
    const [context] = sized(this.#canvas, SIDE, SIDE);
    context.clearRect(0, 0, SIDE, SIDE);
    context.imageSmoothingEnabled = false;
    this.#tiles.paint(context, index, 0, 0, SIDE);
    const frame = root.getBoundingClientRect();
    const [x, y] = [event.clientX - frame.left, event.clientY - frame.top];
    const left = x + 16 + this.box.offsetWidth > frame.width ? x - 16 - this.box.offsetWidth : x + 16;
    const top = y + 16 + this.box.offsetHeight > frame.height ? y - 16 - this.box.offsetHeight : y + 16;
    this.box.style.transform = `translate(${Math.max(0, left)}px, ${Math.max(0, top)}px)`;
  }

  hide() {
    this.box.hidden = true;
  }
}
