/* The colours that canvases are painted with: those of the style sheet, light or dark. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const known = new Map();

/* colour("accent"): as the style sheet has it now. */
export function colour(name) {
  if (!known.has(name)) known.set(name, getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim());
  return known.get(name);
}

export const onTheme = (listener) => dark.addEventListener("change", () => listener());

onTheme(() => known.clear()); // before whoever paints

export const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
