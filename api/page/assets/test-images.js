/* The test set: its labels, and its pictures as masks that are painted in the theme's ink. */

import { askBitmap, askJson } from "./service.js";
import { colour, onTheme } from "./theme.js";

const SIDE = 28;
const COLUMNS = 25; // in a sheet
const SHEET_IMAGES = 1000;
let asked = null;

/* Returns {dataset, labels}, which are requested once. */
export function testSet() {
  asked ??= askJson("mnist/labels").catch((problem) => {
    asked = null;
    throw problem;
  });
  return asked;
}

export class TestImages {
  #masks = [];

  /* `inked` is called when the colour of all images has changed. */
  constructor(inked) {
    onTheme(() => {
      for (const mask of this.#masks) ink(mask);
      inked();
    });
  }

  /* Loads sheet by sheet and calls `arrived(start, stop)` after each. */
  async load(count, arrived) {
    for (let start = this.#masks.length * SHEET_IMAGES; start < count; start += SHEET_IMAGES) {
      const bitmap = await askBitmap(`mnist/sheet?offset=${start}&limit=${SHEET_IMAGES}`);
      this.#masks.push(maskOf(bitmap));
      arrived(start, Math.min(start + SHEET_IMAGES, count));
    }
  }

  /* Paints image `index` if it is loaded. */
  paint(context, index, x, y, side) {
    const mask = this.#masks[Math.floor(index / SHEET_IMAGES)];
    if (!mask) return;
    const place = index % SHEET_IMAGES;
    const [row, column] = [Math.floor(place / COLUMNS), place % COLUMNS];
    context.drawImage(mask, column * SIDE, row * SIDE, SIDE, SIDE, x, y, side, side);
  }
}

/* Returns a canvas on which the white of the sheet is opaque, in the theme's ink. */
function maskOf(bitmap) {
  const mask = document.createElement("canvas");
  mask.width = bitmap.width;
  mask.height = bitmap.height;
  const context = mask.getContext("2d", { willReadFrequently: true });
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const pixels = context.getImageData(0, 0, mask.width, mask.height);
  const words = new Uint32Array(pixels.data.buffer);
  for (let at = 0; at < words.length; at += 1) words[at] = (words[at] & 0xff) << 24; // the grey level becomes the alpha
  context.putImageData(pixels, 0, 0);
  ink(mask);
  return mask;
}

function ink(mask) {
  const context = mask.getContext("2d");
  context.globalCompositeOperation = "source-in";
  context.fillStyle = colour("ink");
  context.fillRect(0, 0, mask.width, mask.height);
}
