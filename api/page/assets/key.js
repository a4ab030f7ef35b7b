/* The API key, if the service requires one. The page prompts for it once and keeps it in this tab. */

import { byId, say } from "./dom.js";

const STORED = "mnistified-key";
const listeners = [];
let kept = "";

try {
  kept = sessionStorage.getItem(STORED) ?? "";
} catch {
  // without storage, the key lasts as long as the page
}

export const key = () => kept;

/* Calls `listener` when the key changes. */
export const onKey = (listener) => listeners.push(listener);

/* Opens the dialog unless it is open. `reason` comes from the service. */
export function askForKey(reason) {
  const dialog = byId("key-dialog");
  if (dialog.open) return;
  if (kept) say(byId("key-reason"), `The key was refused: ${reason}`);
  dialog.showModal();
}

export function startKey() {
  byId("key-form").addEventListener("submit", () => {
    kept = byId("key-input").value.trim();
    byId("key-input").value = "";
    try {
      sessionStorage.setItem(STORED, kept);
    } catch {
      // as above
    }
    for (const listener of listeners) listener();
  });
  byId("key-dialog").addEventListener("cancel", (event) => event.preventDefault());
}
