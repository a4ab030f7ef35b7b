/* The service: every request of the page, with its key, and every failure as a Problem. */

import { askForKey, key } from "./key.js";

const TIMEOUT_MS = 35_000; // a little over the longest synchronous wait

/* What kept a request from being answered. `status` is 0 where there was no answer at all. */
export class Problem extends Error {
  constructor(status, title, detail, retryAfterS = null) {
    super(detail);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfterS = retryAfterS;
  }

  /* Whether the same request may be answered a little later. */
  get passes() {
    return [0, 429, 503, 504].includes(this.status);
  }
}

/* The response, which is a good one. Raises Problem. `path` is relative to the page, so that a prefix does no harm. */
export async function ask(path, { timeoutMs = TIMEOUT_MS, signal, headers = {}, ...options } = {}) {
  const limits = timeoutMs ? [AbortSignal.timeout(timeoutMs)] : [];
  if (signal) limits.push(signal);
  const asked = key() ? { ...headers, "X-API-Key": key() } : headers;
  let response;
  try {
    response = await fetch(path, { ...options, headers: asked, signal: AbortSignal.any(limits) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The service does not answer", "Is it running? The page tries again by itself.");
  }
  if (response.ok) return response;
  const problem = await problemOf(response);
  if (problem.status === 401) askForKey(problem.detail);
  throw problem;
}

export const askJson = async (path, options) => (await ask(path, options)).json();

export async function askBitmap(path) {
  const response = await ask(path, { headers: { Accept: "image/png" } });
  return createImageBitmap(await response.blob());
}

async function problemOf(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // a proxy's own page, say
  }
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const title = told.title ?? `The service answered ${response.status}`;
  return new Problem(response.status, title, told.detail ?? response.statusText, Number.isNaN(wait) ? null : wait);
}
