/* Files and folders that are dropped onto a view or pasted into it. */

import { currentView } from "./views.js";

const MAX_FILES = 20_000;

/* Calls `taken(files)` for files dropped anywhere while the view `name` is shown. `target` is highlighted. */
export function onFiles(name, target, taken) {
  let depth = 0; // dragenter and dragleave occur for every element below the pointer
  const here = (event) => currentView() === name && event.dataTransfer?.types.includes("Files");
  addEventListener("dragenter", (event) => {
    if (!here(event)) return;
    depth += 1;
    target.classList.add("over");
  });
  addEventListener("dragleave", (event) => {
    if (!here(event)) return;
    depth = Math.max(0, depth - 1);
    target.classList.toggle("over", depth > 0);
  });
  addEventListener("dragover", (event) => event.preventDefault());
  addEventListener("drop", async (event) => {
    event.preventDefault();
    if (!here(event)) return;
    depth = 0;
    target.classList.remove("over");
    const files = await filesOf(event.dataTransfer);
    if (files.length) taken(files);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (currentView() === name && files.length) taken(files);
  });
}

async function filesOf(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  for (const entry of entries) await collect(entry, files);
  return files;
}

async function collect(entry, files) {
  if (files.length >= MAX_FILES || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    files.push(await new Promise((resolve, reject) => entry.file(resolve, reject)));
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject)); // 100 at a time
    if (!some.length) return;
    for (const each of some) await collect(each, files);
  }
}
