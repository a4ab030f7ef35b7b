/* What a status says of the queue, over all models. Pure. */

const FULL_SHARE = 0.99; // of what fits: an entry of a job takes more than what is left

/* {interactive, bulk}: images that wait or are being run. */
export function queuedImages(status) {
  const sum = { interactive: 0, bulk: 0 };
  for (const lanes of Object.values(status.queues)) {
    for (const lane of Object.keys(sum)) sum[lane] += lanes[lane]?.images ?? 0;
  }
  return sum;
}

/* Seconds that the oldest image of a lane has waited. */
export function oldestS(status, lane) {
  return Math.max(0, ...Object.values(status.queues).map((lanes) => lanes[lane]?.oldest_s ?? 0));
}

/* [{model, lane, images, bytes}] of those lanes that have any. */
export function busyLanes(status) {
  return Object.entries(status.queues).flatMap(([model, lanes]) =>
    Object.entries(lanes)
      .filter(([, depth]) => depth.images > 0)
      .map(([lane, { images, bytes }]) => ({ model, lane, images, bytes })),
  );
}

/* The first of those that take no more, or next to nothing; undefined where there is room in all. */
export function fullLane(status) {
  return busyLanes(status).find(({ lane, images, bytes }) => {
    const limit = status.limits[lane];
    return images >= FULL_SHARE * limit.images || bytes >= FULL_SHARE * limit.bytes;
  });
}
