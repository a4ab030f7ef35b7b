/* Runs one task at a time, always for the newest value, and debounces calls. */

/* Returns a function that passes values to the async `work`, one at a time; newer values replace waiting ones. `work` must not
   throw. If it returns true, it is called again with the same value, unless a newer one waits. */
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

/* Returns a function that calls `then` with its last arguments once it has not been called for `ms`. */
export function settled(ms, then) {
  let timer = 0;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => then(...args), ms);
  };
}
