/* The list of versions, for every selection of a model on the page. */

import { element } from "./dom.js";

const choices = [];
let known = { refs: [], standard: "" };

/* Fills `select` now and when the versions change. `none` is the text of the empty option. */
export function offerModels(select, none) {
  choices.push({ select, none });
  fill({ select, none });
}

/* Returns `model=…`, or an empty string for the standard version. */
export const modelQuery = (ref) => (ref && ref !== known.standard ? `model=${encodeURIComponent(ref)}` : "");

export function showModels(status) {
  if (!status) return;
  const refs = Object.entries(status.models).flatMap(([name, versions]) => versions.map((version) => `${name}@${version}`));
  const standard = `${status.model.name}@${status.model.version}`;
  if (standard === known.standard && refs.join() === known.refs.join()) return;
  known = { refs, standard };
  choices.forEach(fill);
}

function fill({ select, none }) {
  const chosen = select.value;
  const first = none === undefined ? [] : [element("option", { value: "" }, none)];
  const options = known.refs.map((ref) => element("option", { value: ref }, ref));
  select.replaceChildren(...first, ...options);
  const standard = none === undefined ? known.standard : "";
  select.value = known.refs.includes(chosen) ? chosen : standard;
}
