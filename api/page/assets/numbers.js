/* Numbers as readable text. */

const WHOLE = new Intl.NumberFormat("en-US");

export const whole = (number) => WHOLE.format(Math.round(number));

/* Returns "99.8 %", and "100 %" only if the share is 1. */
export function percent(share, digits = 1) {
  const unit = 10 ** digits;
  const shown = share < 1 ? Math.min(Math.round(share * 100 * unit), 100 * unit - 1) / unit : 100;
  return `${shown.toFixed(share < 1 ? digits : 0)} %`;
}

export function milliseconds(ms) {
  if (ms >= 10_000) return `${whole(ms / 1000)} s`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms < 10 ? ms.toFixed(1) : whole(ms)} ms`;
}

export const seconds = (s) => milliseconds(s * 1000);

export const count = (number, one, many = `${one}s`) => `${whole(number)} ${number === 1 ? one : many}`;
