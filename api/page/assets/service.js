/* Sends the page's requests with the key, and turns every failure into a Problem. */

import { askForKey, key } from "./key.js";

const TIMEOUT_MS = 35_000; // a little over the longest synchronous wait

/* A failed request. `status` is 0 if there was no response. */
export class Problem extends Error {
  constructor(status, title, detail, retryAfterS = null) {
    super(detail);
    this.status = status;
    this.title = title;
    this.detail = detail;
    this.retryAfterS = retryAfterS;
  }

  /* Whether the same request may succeed a little later. */
  get passes() {
    return [0, 429, 503, 504].includes(this.status);
  }
}

/* Returns a successful response or throws a Problem. `path` is relative to the page because a proxy may add a prefix. */
export async function ask(path, { timeoutMs = TIMEOUT_MS, signal, headers = {}, ...options } = {}) {
  const limits = timeoutMs ? [AbortSignal.timeout(timeoutMs)] : [];
  if (signal) limits.push(signal);
  const asked = key() ? { ...headers, "X-API-Key": key() } : headers;
  let response;
  try {
    response = await fetch(path, { ...options, headers: asked, signal: AbortSignal.any(limits) });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, "The service does not answer", "Is it running? The page retries automatically.");
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
  let content = {};
  try {
    content = await response.json();
  } catch {
    // not JSON, for example the error page of a proxy
  }
  const wait = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const title = content.title ?? `The service answered ${response.status}`;
  return new Problem(response.status, title, content.detail ?? response.statusText, Number.isNaN(wait) ? null : wait);
}
