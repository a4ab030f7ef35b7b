/* The list of versions, for every selection of a model on the page. */

import { element } from "./dom.js";

const choices = [];
let known = { refs: [], standard: "", others: {} };

/* Fills `select` now and when the versions change. `none` is the text of the empty option. */
export function offerModels(select, none) {
  choices.push({ select, none });
  fill({ select, none });
}

/* Fills `select` with the versions of other images than MNIST's. `changed(some)` says whether there are any. */
export function offerOthers(select, changed) {
  choices.push({ select, changed });
  fill({ select, changed });
}

/* Returns the size, the channels and the number of labels of such a version. */
export const otherOf = (ref) => known.others[ref];

/* Returns `model=…`, or an empty string for the standard version. */
export const modelQuery = (ref) => (ref && ref !== known.standard ? `model=${encodeURIComponent(ref)}` : "");

export function listVersions(status) {
  if (!status) return;
  const unusual = status.other_models ?? {};
  // `number` reads numbers for `fit=number`, and nobody chooses it.
  const others = Object.fromEntries(Object.entries(unusual).filter(([ref]) => !ref.startsWith("number@")));
  const all = Object.entries(status.models).flatMap(([name, versions]) => versions.map((version) => `${name}@${version}`));
  const refs = all.filter((ref) => !(ref in unusual));
  const standard = `${status.model.name}@${status.model.version}`;
  const same = refs.join() === known.refs.join() && Object.keys(others).join() === Object.keys(known.others).join();
  if (standard === known.standard && same) return;
  known = { refs, standard, others };
  choices.forEach(fill);
}

function fill({ select, none, changed }) {
  const chosen = select.value;
  if (changed) {
    const refs = Object.keys(known.others);
    select.replaceChildren(...refs.map((ref) => element("option", { value: ref }, ref)));
    if (refs.includes(chosen)) select.value = chosen;
    changed(refs.length > 0);
    select.dispatchEvent(new Event("change"));
    return;
  }
  const first = none === undefined ? [] : [element("option", { value: "" }, none)];
  const options = known.refs.map((ref) => element("option", { value: ref }, ref));
  select.replaceChildren(...first, ...options);
  const standard = none === undefined ? known.standard : "";
  select.value = known.refs.includes(chosen) ? chosen : standard;
}
