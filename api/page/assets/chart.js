/* Line charts of the last two minutes. */

import { sized } from "./dom.js";
import { whole } from "./numbers.js";
import { colour } from "./theme.js";

export const SPAN_S = 120;

const LABEL_PX = 15; // height of a line of labels

/* `series` is [{values, ink}], each value is [time in s, number]. The right edge is at `nowS`, the highest value is labelled. */
export function paintChart(canvas, series, nowS, text = whole) {
  const [context, width, height] = sized(canvas);
  const max = Math.max(1, ...series.flatMap(({ values }) => values.map(([, number]) => number)));
  const bottom = height - LABEL_PX;
  const xOf = (timeS) => width - ((nowS - timeS) / SPAN_S) * width;
  const yOf = (number) => bottom - (number / max) * (bottom - LABEL_PX);
  context.clearRect(0, 0, width, height);
  context.lineWidth = 1;
  context.strokeStyle = colour("line");
  rule(context, Math.round(bottom) + 0.5, width);
  rule(context, LABEL_PX + 0.5, width);
  label(context, text(max), 0, 0, "left");
  label(context, `${SPAN_S / 60} min ago`, 0, bottom + 3, "left");
  label(context, "now", width, bottom + 3, "right");
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
    context.lineTo(xOf(values.at(-1)[0]), bottom);
    context.lineTo(xOf(values[0][0]), bottom);
    context.globalAlpha = 0.12;
    context.fillStyle = colour(ink);
    context.fill();
    context.globalAlpha = 1;
  }
}

function label(context, text, x, y, align) {
  context.fillStyle = colour("soft");
  context.font = "11px system-ui, sans-serif";
  context.textAlign = align;
  context.textBaseline = "top";
  context.fillText(text, x, y);
}

function rule(context, y, width) {
  context.beginPath();
  context.moveTo(0, y);
  context.lineTo(width, y);
  context.stroke();
}
