/* One at a time, and always the newest next: what comes while work is under way waits, and gives way to what comes after. */

/* A function that takes values for `work`, which is async, raises nothing, and returns true to be given the same value
   again, unless a newer one has come. */
export function newest(work) {
  let waiting = null;
  let running = false;

  async function run() {
    running = true;
    while (waiting) {
      const [value] = waiting;
      waiting = null;
      if (await work(value)) waiting ??= [value];
    }
    running = false;
  }

  return (value) => {
    waiting = [value];
    if (!running) run();
  };
}

/* Calls `then` once nothing has been told for `ms`. */
export function settled(ms, then) {
  let timer = 0;
  return (...told) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...told), ms);
  };
}
