/* Line charts of the last two minutes. */

import { sized } from "./dom.js";
import { whole } from "./numbers.js";
import { colour } from "./theme.js";

export const SPAN_S = 120;

/* `series` is [{values, ink}], each value is [time in s, number]. The right edge is at `nowS`. */
export function paintChart(canvas, series, nowS, { scale = false } = {}) {
  const [context, width, height] = sized(canvas);
  const max = Math.max(1, ...series.flatMap(({ values }) => values.map(([, number]) => number)));
  const top = scale ? 20 : 3;
  const xOf = (timeS) => width - ((nowS - timeS) / SPAN_S) * width;
  const yOf = (number) => height - 2 - (number / max) * (height - top - 2);
  context.clearRect(0, 0, width, height);
  context.lineWidth = 1;
  context.strokeStyle = colour("line");
  rule(context, height - 1.5, width);
  if (scale) {
    rule(context, top + 0.5, width);
    context.fillStyle = colour("soft");
    context.font = "12px system-ui, sans-serif";
    context.textBaseline = "top";
    if (max > 1) context.fillText(whole(max), 0, 2);
  }
  for (const { values, ink } of series) {
    if (values.length < 2) continue;
    context.beginPath();
    values.forEach(([timeS, number], place) => {
      if (place) context.lineTo(xOf(timeS), yOf(number));
      else context.moveTo(xOf(timeS), yOf(number));
    });
    context.strokeStyle = colour(ink);
    context.lineWidth = 2;
    context.lineJoin = "round";
    context.stroke();
    context.lineTo(xOf(values.at(-1)[0]), height);
    context.lineTo(xOf(values[0][0]), height);
    context.globalAlpha = 0.12;
    context.fillStyle = colour(ink);
    context.fill();
    context.globalAlpha = 1;
  }
}

function rule(context, y, width) {
  context.beginPath();
  context.moveTo(0, y);
  context.lineTo(width, y);
  context.stroke();
}
