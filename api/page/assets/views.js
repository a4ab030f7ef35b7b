/* Shows one view at a time, chosen by the fragment of the URL. */

import { byId } from "./dom.js";

const VIEWS = ["draw", "test-set", "files", "queue", "models", "others"];
const TITLES = { draw: "Draw a digit", "test-set": "Test set", files: "Files", queue: "Queue", models: "Models", others: "Other models" };
const shown = new Map();

export const currentView = () => (VIEWS.includes(location.hash.slice(1)) ? location.hash.slice(1) : VIEWS[0]);

/* Calls `listener` each time the view is shown. */
export const onView = (name, listener) => shown.set(name, [...(shown.get(name) ?? []), listener]);

export function startViews() {
  window.addEventListener("hashchange", () => {
    if (location.hash === "#main") return;
    show();
    window.scrollTo(0, 0);
  });
  show();
}

function show() {
  const view = currentView();
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== view;
  for (const link of document.querySelectorAll(".tabs a")) {
    if (link.hash === `#${view}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${TITLES[view]} · MNISTified`;
  for (const listener of shown.get(view) ?? []) listener();
}
