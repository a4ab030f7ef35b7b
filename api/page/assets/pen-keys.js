/* Drawing by keyboard: arrows move the pen, the space bar lowers and lifts it. */

import { byId, say } from "./dom.js";

const STEP = 1 / 28;
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/* `pen` has `begin(point)`, `add(point)`, `undo()` and `clear()`. */
export function penKeys(canvas, pen) {
  const cursor = byId("pad-cursor");
  let [x, y] = [0.5, 0.3];
  let down = false;

  function show() {
    cursor.hidden = false;
    cursor.classList.toggle("down", down);
    cursor.style.transform = `translate(${x * canvas.clientWidth}px, ${y * canvas.clientHeight}px)`;
  }

  function move([dx, dy]) {
    x = Math.min(1, Math.max(0, x + dx * STEP));
    y = Math.min(1, Math.max(0, y + dy * STEP));
    if (down) pen.add([x, y]);
  }

  function lift() {
    down = false;
    cursor.classList.remove("down");
  }

  function press(event) {
    if (event.ctrlKey || event.metaKey) {
      if (event.key !== "z") return false;
      lift();
      pen.undo();
    } else if (event.key in ARROWS) move(ARROWS[event.key]);
    else if (event.key === " ") {
      down = !down;
      if (down) pen.begin([x, y]);
      say(byId("heard"), down ? "Pen down" : "Pen up");
    } else if (event.key === "Backspace") {
      lift();
      pen.undo();
    } else if (event.key === "Delete") {
      lift();
      pen.clear();
    } else return false;
    return true;
  }

  canvas.addEventListener("keydown", (event) => {
    if (!press(event)) return;
    event.preventDefault();
    show();
  });
  canvas.addEventListener("blur", () => {
    lift();
    cursor.hidden = true;
  });
  canvas.addEventListener("pointerdown", () => {
    lift();
    cursor.hidden = true;
  });
}
