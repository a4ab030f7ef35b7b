/* What a job has made of a number of images, as it comes in: compact, since there may be very many. */

const UNREAD = -1;
const FAILED = -2; // also what expired or was cancelled

export class Readings {
  #predictions;
  #shares;
  #labels;
  #errors = new Map();
  read = 0;
  mistakes = 0;

  /* `labels` may be null: then nothing is known to be a mistake. */
  constructor(count, labels = null) {
    this.#predictions = new Int8Array(count).fill(UNREAD);
    this.#shares = new Float32Array(count);
    this.#labels = labels;
  }

  /* Takes a job's items; their indices. */
  take(items) {
    for (const { index, prediction, probabilities, error, state } of items) {
      if (state === "queued") continue;
      this.#predictions[index] = prediction ?? FAILED;
      this.#shares[index] = probabilities?.[prediction] ?? 0;
      if (error || prediction === null) this.#errors.set(index, error ?? state);
      this.read += prediction === null ? 0 : 1;
      if (this.isMistake(index)) this.mistakes += 1;
    }
    return items.map(({ index }) => index);
  }

  /* The digit, or null. */
  prediction(index) {
    return this.#predictions[index] >= 0 ? this.#predictions[index] : null;
  }

  share(index) {
    return this.#shares[index];
  }

  /* Why an image has no digit; undefined where it has one, or nothing is known yet. */
  error(index) {
    return this.#errors.get(index);
  }

  isMistake(index) {
    return this.#labels !== null && this.#predictions[index] >= 0 && this.#predictions[index] !== this.#labels[index];
  }
}
