/* The colours of the style sheet for canvases, light or dark. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const known = new Map();

/* Returns the current value of a colour such as "accent". */
export function colour(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return known.get(name);
}

export const onTheme = (listener) => dark.addEventListener("change", () => listener());

onTheme(() => known.clear()); // registered first, before all listeners that paint

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
