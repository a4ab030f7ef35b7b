/* The state of the queue over all models, computed from a status. Pure functions. */

const FULL_SHARE = 0.99; // an entry of a job needs more than the rest

/* Returns {interactive, bulk}: the images that wait or are being run. */
export function queuedImages(status) {
  const sum = { interactive: 0, bulk: 0 };
  for (const lanes of Object.values(status.queues)) {
    for (const lane of Object.keys(sum)) sum[lane] += lanes[lane]?.images ?? 0;
  }
  return sum;
}

/* Returns how many seconds the oldest image of a lane has waited. */
export function oldestS(status, lane) {
  return Math.max(0, ...Object.values(status.queues).map((lanes) => lanes[lane]?.oldest_s ?? 0));
}

/* Returns [{model, lane, images, bytes}] of the lanes that are not empty. */
export function busyLanes(status) {
  return Object.entries(status.queues).flatMap(([model, lanes]) =>
    Object.entries(lanes)
      .filter(([, depth]) => depth.images > 0)
      .map(([lane, { images, bytes }]) => ({ model, lane, images, bytes })),
  );
}

/* Returns the first lane that is full or nearly full, or undefined. */
export function fullLane(status) {
  return busyLanes(status).find(({ lane, images, bytes }) => {
    const limit = status.limits[lane];
    return images >= FULL_SHARE * limit.images || bytes >= FULL_SHARE * limit.bytes;
  });
}
