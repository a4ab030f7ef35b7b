/* The strokes of a drawing, as points in units of the pad's side, and their rendering. */

// Stroke widths in units of the pad. MNIST's strokes have about 2 pixels, in a box of 20, as the medium pen has.
export const PENS = { thin: 0.03, medium: 0.075, thick: 0.12 };
const SENT_SIDE = 224; // size in pixels of the picture that is sent

export class Strokes {
  #strokes = []; // {points, width}

  get empty() {
    return this.#strokes.length === 0;
  }

  begin(point, width) {
    this.#strokes.push({ points: [point], width });
  }

  add(point) {
    this.#strokes.at(-1)?.points.push(point);
  }

  undo() {
    this.#strokes.pop();
  }

  clear() {
    this.#strokes = [];
  }

  /* Paints all strokes onto a square of `side`. */
  paint(context, side, ink) {
    for (const { points, width } of this.#strokes) {
      pen(context, width * side, ink);
      line(context, points, 0, side);
    }
  }

  /* Paints the newest stroke starting at point number `from`. Returns the `from` of the next call. */
  paintNewest(context, side, ink, from) {
    const stroke = this.#strokes.at(-1);
    if (!stroke) return 0;
    pen(context, stroke.width * side, ink);
    line(context, stroke.points, Math.max(0, from - 2), side);
    return stroke.points.length;
  }

  /* Returns a small PNG, black on white. */
  toBlob() {
    const canvas = document.createElement("canvas");
    canvas.width = SENT_SIDE;
    canvas.height = SENT_SIDE;
    const context = canvas.getContext("2d");
    context.fillStyle = "#fff";
    context.fillRect(0, 0, SENT_SIDE, SENT_SIDE);
    this.paint(context, SENT_SIDE, "#000");
    return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
  }
}

function pen(context, width, ink) {
  context.strokeStyle = ink;
  context.lineWidth = width;
  context.lineCap = "round";
  context.lineJoin = "round";
}

/* Draws through the midpoints, so that corners are round. A single point is a dot. */
function line(context, points, from, side) {
  const [startX, startY] = points[from];
  context.beginPath();
  context.moveTo(startX * side, startY * side);
  for (let index = from + 1; index < points.length - 1; index += 1) {
    const [x, y] = points[index];
    const [nextX, nextY] = points[index + 1];
    context.quadraticCurveTo(x * side, y * side, ((x + nextX) / 2) * side, ((y + nextY) / 2) * side);
  }
  const [endX, endY] = points.at(-1);
  context.lineTo(endX * side, endY * side);
  context.stroke();
}
