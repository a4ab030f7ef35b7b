/* What a status says of the queue, over all models. Pure. */

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

/* [{model, lane, images}] of those lanes that have any. */
export function busyLanes(status) {
  return Object.entries(status.queues).flatMap(([model, lanes]) =>
    Object.entries(lanes)
      .filter(([, depth]) => depth.images > 0)
      .map(([lane, depth]) => ({ model, lane, images: depth.images })),
  );
}
