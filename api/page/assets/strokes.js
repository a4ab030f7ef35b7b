/* What was drawn: strokes of points, in units of the pad's side; and how they become pixels. */

const WIDTH = 0.075; // of a stroke, as a share of the pad's side: MNIST's are some 2 of 28 pixels, fitted to 20
const SENT_SIDE = 224; // pixels of the picture that is sent

export class Strokes {
  #strokes = [];

  get empty() {
    return this.#strokes.length === 0;
  }

  begin(point) {
    this.#strokes.push([point]);
  }

  add(point) {
    this.#strokes.at(-1)?.push(point);
  }

  undo() {
    this.#strokes.pop();
  }

  clear() {
    this.#strokes = [];
  }

  /* Paints all of it onto a context whose units are those of a square of `side`. */
  paint(context, side, ink) {
    pen(context, side, ink);
    for (const stroke of this.#strokes) line(context, stroke, 0, side);
  }

  /* Paints what the newest stroke has from point number `from` on; returns the number to go on from. */
  paintNewest(context, side, ink, from) {
    const stroke = this.#strokes.at(-1);
    if (!stroke) return 0;
    pen(context, side, ink);
    line(context, stroke, Math.max(0, from - 2), side);
    return stroke.length;
  }

  /* A PNG, black on white, small enough to be read in no time. */
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

function pen(context, side, ink) {
  context.strokeStyle = ink;
  context.lineWidth = WIDTH * side;
  context.lineCap = "round";
  context.lineJoin = "round";
}

/* Through the middles between the points, so that corners are round; a dot where there is one point. */
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
