/* The results of a job while they arrive, stored compactly because there may be very many. */

import { guessed } from "./answers.js";

export const NO_DIGIT = "no digit found"; // how the message of the service begins
export const NO_NUMBER = "no number found";
const UNREAD = -1;
const FAILED = -2; // includes expired, cancelled and unsure images

export class Readings {
  #predictions;
  #shares;
  #labels;
  #texts = new Map(); // of numbers
  #errors = new Map();
  read = 0;
  unsure = 0;
  mistakes = 0;

  /* `labels` is null if they are unknown; then no mistakes are counted. */
  constructor(count, labels = null) {
    this.#predictions = new Int8Array(count).fill(UNREAD);
    this.#shares = new Float32Array(count);
    this.#labels = labels;
  }

  /* Stores a job's items and returns their indices. */
  take(items) {
    for (const { index, prediction, probabilities, text, confidence, error, state, guesses } of items) {
      if (state === "queued") continue;
      const read = text ?? prediction;
      this.#predictions[index] = prediction ?? FAILED;
      this.#shares[index] = probabilities?.[prediction] ?? confidence ?? 0;
      if (text !== undefined && text !== null) this.#texts.set(index, text);
      const unsure = state === "unsure";
      if (unsure) this.unsure += 1;
      if (error || read === null) this.#errors.set(index, unsure ? `unsure, perhaps ${guessed(guesses)}` : (error ?? state));
      this.read += read === null ? 0 : 1;
      if (this.isMistake(index)) this.mistakes += 1;
    }
    return items.map(({ index }) => index);
  }

  /* Returns the digit, or null. */
  prediction(index) {
    return this.#predictions[index] >= 0 ? this.#predictions[index] : null;
  }

  /* Returns the digit or the number as a text, or null. */
  text(index) {
    return this.#texts.get(index) ?? (this.#predictions[index] >= 0 ? String(this.#predictions[index]) : null);
  }

  share(index) {
    return this.#shares[index];
  }

  /* Returns why nothing was read in an image, or undefined if something was or it is pending. */
  error(index) {
    return this.#errors.get(index);
  }

  get errors() {
    return [...this.#errors.values()];
  }

  isMistake(index) {
    return this.#labels !== null && this.#predictions[index] >= 0 && this.#predictions[index] !== this.#labels[index];
  }
}
