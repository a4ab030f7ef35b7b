/* Server-sent events by fetch, which can send a key. A broken stream is resumed after its last event. */

import { sleep } from "./dom.js";
import { ask, Problem } from "./service.js";

const AGAIN_MS = 500;

/* Yields {type, data} of each event up to the type `last`. Throws a Problem if a retry is useless. */
export async function* events(path, last, signal) {
  let id = "";
  for (;;) {
    try {
      const headers = { Accept: "text/event-stream", ...(id && { "Last-Event-ID": id }) };
      const response = await ask(path, { headers, signal, timeoutMs: 0 });
      if (response.status === 204) return;
      for await (const event of parsed(response.body)) {
        id = event.id ?? id;
        yield event;
        if (event.type === last) return;
      }
    } catch (error) {
      if (signal?.aborted || (error instanceof Problem && !error.passes)) throw error;
    }
    await sleep(AGAIN_MS);
  }
}

/* Yields each event of a byte stream. */
async function* parsed(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      const blocks = (rest + value).split("\n\n");
      rest = blocks.pop();
      for (const block of blocks) {
        const event = eventOf(block);
        if (event) yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // the stream may be broken already
  }
}

/* Parses the lines of one event. Returns null for comments and events without data. Pure function. */
export function eventOf(block) {
  const fields = {};
  for (const line of block.split("\n")) {
    const colon = line.indexOf(": ");
    if (colon > 0) fields[line.slice(0, colon)] = line.slice(colon + 2);
  }
  return fields.data === undefined ? null : { type: fields.event, id: fields.id, data: JSON.parse(fields.data) };
}
