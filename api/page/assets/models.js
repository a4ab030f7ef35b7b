/* Which versions there are, for every choice of a model on the page. */

import { element } from "./dom.js";

const choices = [];
let known = { refs: [], usual: "" };

/* Fills `select` now and whenever the versions change; `none` is the text of the empty choice. */
export function offerModels(select, none) {
  choices.push({ select, none });
  fill({ select, none });
}

/* `?model=` of a choice; nothing where it is the usual one. */
export const modelQuery = (ref) => (ref && ref !== known.usual ? `model=${encodeURIComponent(ref)}` : "");

export function tellModels(status) {
  if (!status) return;
  const refs = Object.entries(status.models).flatMap(([name, versions]) => versions.map((version) => `${name}@${version}`));
  const usual = `${status.model.name}@${status.model.version}`;
  if (usual === known.usual && refs.join() === known.refs.join()) return;
  known = { refs, usual };
  choices.forEach(fill);
}

function fill({ select, none }) {
  const chosen = select.value;
  const first = none === undefined ? [] : [element("option", { value: "" }, none)];
  const options = known.refs.map((ref) => element("option", { value: ref }, ref));
  select.replaceChildren(...first, ...options);
  const usual = none === undefined ? known.usual : "";
  select.value = known.refs.includes(chosen) ? chosen : usual;
}
