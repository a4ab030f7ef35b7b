/* The reading of one image: the digit, its probabilities, the model's input and layers, and a second model to compare. */

import { readingOf, sureness } from "./answers.js";
import { Bars } from "./bars.js";
import { byId, partsOf, say, sleep } from "./dom.js";
import { showLayers } from "./layers.js";
import { newest, settled } from "./newest.js";
import { count, milliseconds } from "./numbers.js";
import { NO_DIGIT } from "./readings.js";
import { Problem } from "./service.js";
import { offerModels } from "./version-list.js";

const SETTLED_MS = 350; // time without a new image before the layers are requested

export class Reading {
  #parts;
  #bars;
  #otherBars;
  #subject = null;
  #read;
  #look;
  #listeners;

  /* `listeners.answered(answer)` and `listeners.refused(problem)` are called for each response. */
  constructor(root, listeners = {}) {
    root.append(byId("reading-template").content.cloneNode(true));
    this.#parts = partsOf(root);
    this.#bars = new Bars(this.#parts.bars);
    this.#otherBars = new Bars(this.#parts["other-bars"]);
    this.#listeners = listeners;
    this.#read = newest((subject) => this.#readNow(subject));
    this.#look = settled(SETTLED_MS, newest((subject) => this.#lookNow(subject)));
    offerModels(this.#parts.model);
    offerModels(this.#parts.other, "nothing");
    this.#parts.model.addEventListener("change", () => this.again());
    this.#parts.other.addEventListener("change", () => this.again());
    this.#parts.look.addEventListener("click", () => this.#toggleLayers());
    this.clear();
  }

  /* The selected version, or an empty string before the list is known. */
  get model() {
    return this.#parts.model.value;
  }

  /* Reads `subject` once the current reading has ended, unless a newer one replaces it. */
  read(subject) {
    this.#subject = subject;
    this.#read(subject);
  }

  again() {
    if (this.#subject) this.#read(this.#subject);
  }

  /* Shows no reading. `hint` tells the user what to do. */
  clear(hint = "Draw something, and the model reads it.") {
    this.#subject = null;
    this.#showDigit(null);
    say(this.#parts.sure, "Nothing yet");
    say(this.#parts.how, hint);
    this.#parts.fault.hidden = true;
    this.#bars.show(null);
    this.#otherBars.show(null);
    this.#parts.compared.hidden = true;
    this.#parts.layers.hidden = true;
    this.#parts.look.disabled = true;
    this.#forgetSeen();
  }

  /* Shows why something was not sent to the service. */
  fail(title, detail) {
    this.clear(detail);
    say(this.#parts.sure, title);
    say(byId("heard"), `${title}. ${detail}`);
  }

  /* Returns true if the reading should be repeated, after the pause that the service requested. */
  async #readNow(subject) {
    const other = this.#parts.other.value;
    try {
      const asked = [subject.classify(this.model), other ? subject.classify(other) : null];
      const [answer, otherAnswer] = await Promise.all(asked);
      if (this.#subject === null) return false; // cleared in the meantime
      this.#show(answer);
      this.#compare(answer, otherAnswer);
      await this.#showSeen(subject, answer);
      this.#listeners.answered?.(answer);
      if (this.#layersOpen) this.#look(subject);
    } catch (error) {
      if (this.#subject === null) return false;
      const problem = this.#refuse(error);
      if (!problem.passes) return false;
      await sleep((problem.retryAfterS ?? 1) * 1000);
      return this.#subject !== null;
    }
    return false;
  }

  #show(answer) {
    this.#parts.seen.parentElement.hidden = Boolean(answer.digits); // a line of digits is not seen as 28×28 pixels
    if (answer.digits) {
      this.#showNumber(answer);
      return;
    }
    const { probabilities, batch_images: batch, model_ms: modelMs, worker } = answer.debug;
    this.#parts.fault.hidden = true;
    this.#parts.look.disabled = false;
    this.#showDigit(answer.prediction);
    say(this.#parts.sure, sureness(answer));
    const where = `${answer.model} in ${milliseconds(answer.elapsed_time_ms)}, ${milliseconds(modelMs)} of it in the model`;
    say(this.#parts.how, `${where}; a batch of ${batch} on ${worker.split("@")[0]}`);
    this.#bars.show(probabilities);
  }

  #showNumber(answer) {
    this.#parts.fault.hidden = true;
    this.#parts.look.disabled = true; // the layers are those of one digit
    this.#showDigit(answer.text);
    say(this.#parts.sure, sureness(answer));
    say(this.#parts.how, `${answer.model} in ${milliseconds(answer.elapsed_time_ms)}`);
    this.#bars.show(null);
  }

  #showDigit(digit) {
    say(this.#parts.digit, digit === null ? "?" : String(digit));
    this.#parts.digit.classList.toggle("many", String(digit ?? "").length > 1);
    this.#parts.digit.classList.toggle("none", digit === null);
  }

  #compare(answer, other) {
    this.#parts.compared.hidden = !other;
    if (!other) return;
    const same = readingOf(other) === readingOf(answer) ? "agrees" : "does not agree";
    const time = other.debug ? `, ${milliseconds(other.debug.model_ms)} in the model` : "";
    say(this.#parts["compared-text"], `${other.model} ${same}: ${readingOf(other) ?? "?"}, ${sureness(other)}${time}`);
    this.#otherBars.show(other.debug?.probabilities ?? null);
  }

  async #showSeen(subject, answer) {
    const bitmap = await subject.seen(answer);
    this.#forgetSeen();
    if (!bitmap) return;
    this.#parts.seen.getContext("2d").drawImage(bitmap, 0, 0, 28, 28);
    bitmap.close();
  }

  #forgetSeen() {
    this.#parts.seen.getContext("2d").clearRect(0, 0, 28, 28);
  }

  #refuse(error) {
    const problem = error instanceof Problem ? error : new Problem(0, "The page failed", String(error));
    const undrawn = problem.status === 400;
    this.#parts.fault.hidden = undrawn || problem.passes; // temporary problems are shown at the top of the page
    say(this.#parts.fault, `${problem.title}: ${problem.detail}`);
    this.#showDigit(null);
    this.#bars.show(null);
    this.#forgetSeen();
    say(this.#parts.sure, problem.detail.startsWith(NO_DIGIT) ? "No digit found" : "Not read");
    say(this.#parts.how, undrawn ? problem.detail : problem.passes ? "The page retries automatically." : "");
    this.#listeners.refused?.(problem);
    return problem;
  }

  get #layersOpen() {
    return this.#parts.look.getAttribute("aria-expanded") === "true";
  }

  #toggleLayers() {
    const open = !this.#layersOpen;
    this.#parts.look.setAttribute("aria-expanded", String(open));
    say(this.#parts.look, open ? "Hide the layers" : "Show the layers");
    this.#parts.layers.hidden = true;
    if (open && this.#subject) this.#lookNow(this.#subject);
  }

  async #lookNow(subject) {
    try {
      const answer = await subject.classify(this.model, "verbose=1&maps=png");
      if (subject !== this.#subject || !this.#layersOpen) return;
      showLayers(this.#parts.layers, answer);
      this.#parts.layers.hidden = false;
    } catch (error) {
      this.#refuse(error);
    }
  }
}
