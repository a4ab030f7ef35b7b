/* An enlarged view of the tile under the pointer, with a description. */

import { element, say, sized } from "./dom.js";

const SIDE = 64;
const NEEDED_BELOW = 40; // tiles of this size in pixels are readable without the loupe

export class Loupe {
  box = element("div", { className: "wall-loupe", hidden: true, attributes: { "aria-hidden": "true" } });
  #canvas = element("canvas");
  #text = element("span");
  #tiles;

  constructor(tiles) {
    this.#tiles = tiles;
    this.box.append(this.#canvas, this.#text);
  }

  /* Shows the loupe next to the pointer and within `root`, unless the tile is large enough. */
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
