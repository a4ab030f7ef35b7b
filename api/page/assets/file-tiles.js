/* The tiles of picture files: a thumbnail with the digit or number that was read. */

import { percent } from "./numbers.js";
import { thumbnail } from "./picture.js";
import { colour } from "./theme.js";

const THUMBNAIL_SIDE = 168;

export class FileTiles {
  #files = [];
  #readings = null;
  #thumbnails = [];
  #url = "";

  use(files, readings) {
    for (const bitmap of this.#thumbnails) bitmap?.close();
    this.#thumbnails = [];
    this.#files = files;
    this.#readings = readings;
  }

  /* Loads one after the other to keep the page responsive, and calls `arrived(index)` after each. */
  async load(arrived) {
    const files = this.#files;
    for (const [index, file] of files.entries()) {
      const bitmap = await thumbnail(file, THUMBNAIL_SIDE).catch(() => null);
      if (this.#files !== files) return; // other files were chosen
      this.#thumbnails[index] = bitmap;
      arrived(index);
    }
  }

  /* Returns a URL for an <img> and revokes the previous one. */
  url(index) {
    URL.revokeObjectURL(this.#url);
    this.#url = URL.createObjectURL(this.#files[index]);
    return this.#url;
  }

  paint(context, index, x, y, side) {
    const bitmap = this.#thumbnails[index];
    if (bitmap) {
      const scale = side / Math.max(bitmap.width, bitmap.height);
      const [width, height] = [bitmap.width * scale, bitmap.height * scale];
      context.drawImage(bitmap, x + (side - width) / 2, y + (side - height) / 2, width, height);
    } else {
      context.fillStyle = colour("line");
      context.fillRect(x, y, side, side);
    }
    const read = this.#readings.text(index);
    const failed = this.#readings.error(index) !== undefined;
    if (read !== null || failed) badge(context, failed ? "–" : read, failed, x, y, side);
  }

  describe(index) {
    if (index === undefined) return "";
    const { name } = this.#files[index];
    const read = this.#readings.text(index);
    if (read !== null) return `${name}: ${read}, ${percent(this.#readings.share(index), 0)} sure`;
    return `${name}: ${this.#readings.error(index) ?? "not read yet"}`;
  }
}

function badge(context, text, failed, x, y, side) {
  const size = Math.max(9, Math.round(side * 0.28));
  context.font = `700 ${Math.round(size * 0.78)}px system-ui, sans-serif`;
  const width = Math.min(side, Math.max(size, context.measureText(text).width + size / 3));
  context.fillStyle = colour(failed ? "wrong" : "accent");
  context.beginPath();
  context.roundRect(x + side - width, y + side - size, width, size, size / 4);
  context.fill();
  context.fillStyle = colour("on-accent");
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.fillText(text, x + side - width / 2, y + side - size / 2 + size * 0.05, width);
}
