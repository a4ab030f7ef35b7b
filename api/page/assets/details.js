/* The details of the selected tile, next to its wall. */

import { readingOf, sureness } from "./answers.js";
import { byId, element, say } from "./dom.js";
import { settled } from "./newest.js";
import { Reading } from "./reading.js";
import { showRefusal } from "./trouble.js";

const SVG = "http://www.w3.org/2000/svg";
const WALKED_MS = 180; // how long the keyboard rests on a tile before its details open

export class Details {
  #box;
  #frame;
  #title = element("h2");
  #truth = element("p", { className: "truth" });
  #picture = element("img", { className: "picture", alt: "" });
  #boxes = document.createElementNS(SVG, "svg"); // over the picture, one for each digit of a number
  #photo = element("div", { className: "photo", hidden: true }, this.#picture, this.#boxes);
  #reading;
  #rest;
  #walked = null; // function that returns the details of the last tile reached by keyboard
  #right = null; // the correct digit, or null if it is unknown

  /* `box` is an <aside> in a `.wall-and-details`. */
  constructor(box) {
    this.#box = box;
    this.#frame = box.parentElement;
    const close = element("button", { type: "button", ariaLabel: "Close the details" }, "Close");
    close.addEventListener("click", () => this.close());
    const body = element("div", { className: "reading" });
    box.append(element("div", { className: "head" }, this.#title, close), this.#truth, this.#photo, body);
    this.#reading = new Reading(body, {
      answered: (answer) => this.#answered(answer),
      refused: showRefusal,
    });
    box.addEventListener("keydown", (event) => {
      if (event.key === "Escape") this.close();
    });
    this.#rest = settled(WALKED_MS, () => {
      if (this.#walked && this.isOpen) this.open(this.#walked());
    });
  }

  /* If the details are open, opens those that `shown` returns once the keyboard rests. */
  walk(shown) {
    this.#walked = shown;
    this.#rest();
  }

  get isOpen() {
    return !this.#box.hidden;
  }

  /* `right` and the URL `picture` may be null. */
  open({ title, truth, right, subject, picture }) {
    this.#walked = null;
    this.#box.hidden = false;
    this.#frame.classList.add("open");
    say(this.#title, title);
    say(this.#truth, truth);
    this.#right = right;
    this.#boxes.replaceChildren();
    this.#photo.hidden = !picture;
    if (picture) this.#picture.src = picture;
    this.#box.classList.remove("wrong");
    this.#reading.read(subject);
  }

  close() {
    const inside = this.#box.contains(document.activeElement);
    this.#box.hidden = true;
    this.#frame.classList.remove("open");
    this.#reading.clear();
    if (inside) this.#frame.querySelector(".wall-view").focus();
  }

  #answered(answer) {
    const { model } = answer;
    const prediction = readingOf(answer);
    const wrong = this.#right !== null && prediction !== null && prediction !== this.#right;
    if (answer.digits) this.#mark(answer);
    this.#box.classList.toggle("wrong", wrong);
    const reads = prediction === null ? `is ${sureness(answer)}` : `reads ${prediction}${wrong ? ", a mistake" : ""}`;
    say(byId("heard"), `${this.#title.textContent}: ${model} ${reads}`);
  }

  /* Draws the box of each digit. An <svg> fits its view box into the frame as `object-fit: contain` fits the picture. */
  #mark({ digits, size }) {
    this.#boxes.setAttribute("viewBox", `0 0 ${size[0]} ${size[1]}`);
    const rectangles = digits.map(({ box: [x, y, width, height] }) => {
      const rectangle = document.createElementNS(SVG, "rect");
      for (const [name, value] of Object.entries({ x, y, width, height })) rectangle.setAttribute(name, value);
      return rectangle;
    });
    this.#boxes.replaceChildren(...rectangles);
  }
}
