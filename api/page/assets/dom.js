/* Finds elements by id and by part, and creates elements without markup in strings. */

export const byId = (id) => document.getElementById(id);

/* element("li", {className: "best"}, "7", …). `properties.data` sets data attributes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  const { data = {}, attributes = {}, ...own } = properties;
  Object.assign(made, own);
  Object.assign(made.dataset, data);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/* Returns the elements below `root` with a `data-part`, by its value. */
export function partsOf(root) {
  return Object.fromEntries([...root.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
}

/* Sets a text only if it differs, which avoids needless layout and announcements by screen readers. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Matches a canvas's resolution to the screen. Returns [context, width, height] in CSS pixels. */
export function sized(canvas, width = canvas.clientWidth, height = canvas.clientHeight) {
  const ratio = window.devicePixelRatio || 1;
  const wide = Math.round(width * ratio);
  const high = Math.round(height * ratio);
  if (canvas.width !== wide || canvas.height !== high) {
    canvas.width = wide;
    canvas.height = high;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  return [context, width, height];
}
