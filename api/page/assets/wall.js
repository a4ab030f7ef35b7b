/* A wall of thousands of tiles on one canvas, painted for a few milliseconds per frame, with keyboard navigation. */

import { element, say, sized } from "./dom.js";
import { cornerOf, gridOf, moved, placeAt } from "./grid.js";
import { Loupe } from "./loupe.js";
import { colour, onTheme } from "./theme.js";

const FRAME_MS = 7; // painting time per frame; the rest is for the browser
const MIN_SIDE = 8; // smallest side of a tile in pixels
const LARGEST = 112;
let walls = 0;

export class Wall {
  #view;
  #space = element("div", { className: "wall-space" });
  #canvas = element("canvas", { attributes: { "aria-hidden": "true" } });
  #mark = element("div", { className: "wall-mark", hidden: true });
  #option;
  #empty = element("p", { className: "wall-empty", hidden: true });
  #loupe;
  #tiles;
  #order = [];
  #places = new Map(); // by index
  #grid = gridOf(0, 1, 1, 1, 1);
  #todo = []; // places to paint, the next one last
  #whole = true; // whether to clear the canvas first
  #frame = 0;
  #selected = -1; // a place

  /* `tiles` has `paint(context, index, x, y, side)`, `describe(index)`, `open(index)`, and `name`. */
  constructor(root, tiles) {
    this.#tiles = tiles;
    walls += 1;
    this.#option = element("div", { className: "unseen", id: `wall-option-${walls}`, attributes: { role: "option", "aria-selected": "true" } });
    this.#view = element("div", { className: "wall-view", tabIndex: 0, attributes: { role: "listbox", "aria-label": tiles.name } });
    this.#space.append(this.#canvas, this.#mark);
    this.#view.append(this.#space, this.#option);
    this.#loupe = new Loupe(tiles);
    root.append(this.#view, this.#empty, this.#loupe.box);
    this.#listen(root);
  }

  /* Shows only the tiles whose indices are in `order`, or `emptyText` if there are none. */
  show(order, emptyText) {
    const index = this.#order[this.#selected];
    this.#order = order;
    this.#places = new Map(order.map((each, place) => [each, place]));
    this.#selected = this.#places.get(index) ?? -1;
    this.#empty.hidden = order.length > 0;
    say(this.#empty, emptyText);
    this.#lay();
  }

  /* Repaints these tiles. */
  touch(indices) {
    const [first, stop] = this.#visible();
    for (const index of indices) {
      const place = this.#places.get(index);
      if (place >= first && place < stop) this.#todo.unshift(place);
    }
    this.#schedule();
    if (this.#selected >= 0) this.#showSelected();
  }

  /* Repaints all tiles. */
  repaint() {
    const [first, stop] = this.#visible();
    this.#todo = [];
    for (let place = stop - 1; place >= first; place -= 1) this.#todo.push(place);
    this.#whole = true;
    this.#schedule();
  }

  #listen(root) {
    new ResizeObserver(() => this.#lay()).observe(this.#view);
    onTheme(() => this.repaint());
    this.#view.addEventListener("scroll", () => this.repaint(), { passive: true });
    this.#view.addEventListener("keydown", (event) => this.#press(event));
    this.#view.addEventListener("focus", () => {
      if (this.#selected < 0 && this.#order.length && this.#view.matches(":focus-visible")) this.#select(0);
    });
    this.#canvas.addEventListener("click", (event) => {
      const place = this.#placeOf(event);
      if (place < 0) return;
      this.#select(place);
      this.#tiles.open(this.#order[place]);
    });
    this.#canvas.addEventListener("pointermove", (event) => {
      const place = event.pointerType === "mouse" ? this.#placeOf(event) : -1;
      if (place < 0) this.#loupe.hide();
      else this.#loupe.show(this.#order[place], event, root, this.#grid.side);
    });
    this.#canvas.addEventListener("pointerleave", () => this.#loupe.hide());
  }

  #placeOf(event) {
    const box = this.#canvas.getBoundingClientRect();
    return placeAt(this.#grid, this.#order.length, event.clientX - box.left, event.clientY - box.top + this.#view.scrollTop);
  }

  #press(event) {
    const index = this.#order[this.#selected];
    if ((event.key === "Enter" || event.key === " ") && index !== undefined) {
      event.preventDefault();
      this.#tiles.open(index);
      return;
    }
    const page = Math.max(1, Math.floor(this.#view.clientHeight / this.#grid.pitch) - 1);
    const place = moved(this.#grid, this.#order.length, Math.max(0, this.#selected), event.key, page);
    if (place === null || !this.#order.length) return;
    event.preventDefault();
    this.#select(place);
    this.#tiles.walked?.(this.#order[place]);
  }

  #select(place) {
    this.#selected = place;
    const [, y] = cornerOf(this.#grid, place);
    const { scrollTop, clientHeight } = this.#view;
    if (y < scrollTop) this.#view.scrollTop = y;
    else if (y + this.#grid.pitch > scrollTop + clientHeight) this.#view.scrollTop = y + this.#grid.pitch - clientHeight;
    this.#placeMark();
    this.#showSelected();
  }

  #showSelected() {
    say(this.#option, this.#tiles.describe(this.#order[this.#selected]));
    this.#option.setAttribute("aria-posinset", this.#selected + 1);
    this.#option.setAttribute("aria-setsize", this.#order.length);
    this.#view.setAttribute("aria-activedescendant", this.#option.id);
  }

  #placeMark() {
    this.#mark.hidden = this.#selected < 0;
    if (this.#mark.hidden) return;
    const [x, y] = cornerOf(this.#grid, this.#selected);
    const side = this.#grid.side + 4;
    Object.assign(this.#mark.style, { width: `${side}px`, height: `${side}px`, transform: `translate(${x - 2}px, ${y - 2}px)` });
  }

  #lay() {
    const { clientWidth: width, clientHeight: height } = this.#view;
    if (!width) return; // the wall is hidden
    this.#grid = gridOf(this.#order.length, width, height, MIN_SIDE, LARGEST);
    this.#space.style.height = `${Math.max(height, this.#grid.height)}px`;
    Object.assign(this.#canvas.style, { width: `${width}px`, height: `${height}px` });
    if (this.#selected < 0) this.#view.removeAttribute("aria-activedescendant");
    this.#placeMark();
    this.repaint();
  }

  /* Returns [first, stop) of the visible places. */
  #visible() {
    const { pitch, columns } = this.#grid;
    const first = Math.floor(this.#view.scrollTop / pitch) * columns;
    const stop = (Math.floor((this.#view.scrollTop + this.#view.clientHeight) / pitch) + 1) * columns;
    return [first, Math.min(stop, this.#order.length)];
  }

  #schedule() {
    if (!this.#frame && this.#view.clientWidth) this.#frame = requestAnimationFrame(() => this.#paint());
  }

  #paint() {
    this.#frame = 0;
    const { side, pitch } = this.#grid;
    const [context, width, height] = sized(this.#canvas, this.#view.clientWidth, this.#view.clientHeight);
    const top = this.#view.scrollTop;
    if (this.#whole) context.clearRect(0, 0, width, height);
    this.#whole = false;
    const untilMs = performance.now() + FRAME_MS;
    while (this.#todo.length && performance.now() < untilMs) {
      for (let left = 64; left > 0 && this.#todo.length; left -= 1) {
        const place = this.#todo.pop();
        const [x, y] = cornerOf(this.#grid, place);
        context.fillStyle = colour("card");
        context.fillRect(x, y - top, pitch, pitch);
        this.#tiles.paint(context, this.#order[place], x, y - top, side);
      }
    }
    if (this.#todo.length) this.#schedule();
  }
}
