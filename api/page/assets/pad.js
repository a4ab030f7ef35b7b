/* The drawing pad: strokes by mouse, pen, finger or keyboard, or a picture. Paints at most once per frame. */

import { byId, say, sized } from "./dom.js";
import { penKeys } from "./pen-keys.js";
import { PENS, Strokes } from "./strokes.js";
import { colour, onTheme } from "./theme.js";

export class Pad {
  #canvas = byId("pad");
  #strokes = new Strokes();
  #picture = null; // an ImageBitmap instead of strokes
  #boxes = []; // of the digits of a number, as [text, left, top, width, height] in fractions of what is shown
  #painted = 0; // number of points of the newest stroke that are on the canvas
  #whole = true; // whether the next frame repaints everything
  #frame = 0;
  #notify = false; // whether the next frame calls the listener
  #pointer = null;
  #changed;
  #caption = byId("pad-caption");

  /* `changed` is called once per frame in which the content of the pad has changed. */
  constructor(changed) {
    this.#changed = changed;
    this.#listen();
    penKeys(this.#canvas, {
      begin: (point) => this.#begin(point),
      add: (point) => this.#add(point),
      undo: () => this.undo(),
      clear: () => this.clear(),
    });
    new ResizeObserver(() => this.#repaint(false)).observe(this.#canvas);
    onTheme(() => this.#repaint(false));
  }

  get empty() {
    return this.#strokes.empty && !this.#picture;
  }

  get hasPicture() {
    return this.#picture !== null;
  }

  /* Returns a picture of the strokes. */
  toBlob() {
    return this.#strokes.toBlob();
  }

  clear() {
    this.#strokes.clear();
    this.#picture = null;
    this.#boxes = [];
    say(this.#caption, "");
    this.#repaint(true);
  }

  undo() {
    if (this.#picture) {
      this.clear();
      return;
    }
    this.#boxes = [];
    this.#strokes.undo();
    this.#repaint(true);
  }

  /* Shows `bitmap` and its caption until the next stroke, without a call of `changed`. Null leaves the pad empty. */
  show(bitmap, caption) {
    this.#strokes.clear();
    this.#picture = bitmap;
    this.#boxes = [];
    say(this.#caption, caption);
    this.#repaint(false);
  }

  /* Draws a box around each digit of a number. `size` is that of the picture in whose pixels the boxes are. */
  mark(digits, size) {
    if (!digits.length && !this.#boxes.length) return;
    this.#boxes = digits.map(({ digit, box: [left, top, width, height] }) => [
      String(digit),
      left / size[0],
      top / size[1],
      width / size[0],
      height / size[1],
    ]);
    this.#repaint(false);
  }

  #listen() {
    const canvas = this.#canvas;
    canvas.addEventListener("pointerdown", (event) => {
      if (this.#pointer !== null || event.button !== 0) return;
      this.#pointer = event.pointerId;
      canvas.setPointerCapture(event.pointerId);
      this.#begin(this.#point(event));
      event.preventDefault();
      canvas.focus({ preventScroll: true, focusVisible: false });
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.pointerId !== this.#pointer) return;
      for (const each of event.getCoalescedEvents?.() ?? [event]) this.#add(this.#point(each));
    });
    const lift = (event) => {
      if (event.pointerId === this.#pointer) this.#pointer = null;
    };
    canvas.addEventListener("pointerup", lift);
    canvas.addEventListener("pointercancel", lift);
  }

  #point(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }

  #begin(point) {
    if (this.#picture || this.#boxes.length) {
      this.#picture = null;
      this.#boxes = [];
      this.#whole = true;
    }
    say(this.#caption, "");
    this.#strokes.begin(point, PENS[byId("pen").value]);
    this.#painted = 0;
    this.#schedule(true);
  }

  #add(point) {
    this.#strokes.add(point);
    this.#schedule(true);
  }

  #repaint(notify) {
    this.#whole = true;
    this.#schedule(notify);
  }

  #schedule(notify) {
    this.#notify ||= notify;
    if (this.#frame) return;
    this.#frame = requestAnimationFrame(() => {
      this.#frame = 0;
      this.#paint();
      const notify = this.#notify;
      this.#notify = false;
      if (notify) this.#changed();
    });
  }

  #paint() {
    const [context, side] = sized(this.#canvas);
    byId("pad-frame").classList.toggle("drawn", !this.empty);
    if (!this.#whole) {
      this.#painted = this.#strokes.paintNewest(context, side, colour("ink"), this.#painted);
      return;
    }
    this.#whole = false;
    context.clearRect(0, 0, side, side);
    if (this.#picture) paintPicture(context, this.#picture, side);
    this.#strokes.paint(context, side, colour("ink"));
    paintBoxes(context, this.#boxes, this.#picture ?? { width: 1, height: 1 }, side);
  }
}

/* Paints a box with its digit above it for each digit of a number, over what `shown` shows. */
function paintBoxes(context, boxes, shown, side) {
  const scale = side / Math.max(shown.width, shown.height);
  const [width, height] = [shown.width * scale, shown.height * scale];
  const [left, top] = [(side - width) / 2, (side - height) / 2];
  context.strokeStyle = context.fillStyle = colour("accent");
  context.lineWidth = Math.max(2, side / 220);
  context.font = `600 ${Math.round(side / 18)}px system-ui, sans-serif`;
  context.textAlign = "center";
  for (const [text, x, y, boxWidth, boxHeight] of boxes) {
    const [boxLeft, boxTop] = [left + x * width, top + y * height];
    context.strokeRect(boxLeft, boxTop, boxWidth * width, boxHeight * height);
    const above = boxTop > side / 14;
    context.fillText(text, boxLeft + (boxWidth * width) / 2, above ? boxTop - side / 90 : boxTop + boxHeight * height + side / 17);
  }
}

/* Paints the picture as large as it fits. Small ones show their pixels. */
function paintPicture(context, bitmap, side) {
  const scale = side / Math.max(bitmap.width, bitmap.height);
  const [width, height] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingEnabled = scale < 4;
  context.drawImage(bitmap, (side - width) / 2, (side - height) / 2, width, height);
  context.imageSmoothingEnabled = true;
}
