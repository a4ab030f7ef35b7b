/* The wording of an answer of the service. */

import { percent } from "./numbers.js";

/* Returns how sure the model is, such as "98 % sure", or what it takes an unsure image for. */
export function sureness(answer) {
  if (answer.state === "unsure") return answer.guesses.length ? `unsure, perhaps ${guessed(answer.guesses)}` : "unsure";
  if (answer.digits) return `${percent(answer.confidence)} sure`;
  return `${percent(answer.debug.probabilities[answer.prediction])} sure`;
}

/* Returns what was read: a digit, the text of a number, or null. */
export const readingOf = (answer) => (answer.digits ? answer.text : answer.prediction);

/* Returns the guesses that are not negligible, as "4 or 9". */
export function guessed(guesses) {
  const [first, ...others] = guesses;
  return [first, ...others.filter(({ confidence }) => confidence >= 0.05)].map(({ prediction, text }) => text ?? prediction).join(" or ");
}
