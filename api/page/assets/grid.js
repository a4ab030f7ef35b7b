/* The layout of a wall: tiles as large as possible while all of them fit, or of minimal size in a scrolled wall. Pure functions. */

const GAP_FROM = 14; // smallest tile in pixels that has a gap

/* Lays out `count` tiles in `width` × `height`. Returns {side, pitch, columns, rows, left, height}. */
export function gridOf(count, width, height, least, most) {
  let side = most;
  while (side > least && !fits(count, width, height, side)) side -= 1;
  const pitch = pitchOf(side);
  const columns = Math.max(1, Math.floor(width / pitch));
  const rows = Math.ceil(count / columns);
  const used = Math.min(count, columns) * pitch;
  return { side, pitch, columns, rows, left: Math.floor((width - used) / 2), height: rows * pitch };
}

const pitchOf = (side) => side + (side >= GAP_FROM ? 2 : 0);

function fits(count, width, height, side) {
  const pitch = pitchOf(side);
  return Math.floor(width / pitch) * Math.floor(height / pitch) >= count;
}

/* Returns [x, y] of the tile at a place. */
export const cornerOf = (grid, place) => [
  grid.left + (place % grid.columns) * grid.pitch,
  Math.floor(place / grid.columns) * grid.pitch,
];

/* Returns the place of the tile at (x, y), or -1. */
export function placeAt(grid, count, x, y) {
  const [column, row] = [Math.floor((x - grid.left) / grid.pitch), Math.floor(y / grid.pitch)];
  const place = row * grid.columns + column;
  return column >= 0 && column < grid.columns && place >= 0 && place < count ? place : -1;
}

/* Returns the place that a key leads to, or null for other keys. `page` is in rows. */
export function moved(grid, count, place, key, page) {
  const steps = {
    ArrowLeft: -1,
    ArrowRight: 1,
    ArrowUp: -grid.columns,
    ArrowDown: grid.columns,
    PageUp: -grid.columns * page,
    PageDown: grid.columns * page,
    Home: -Infinity,
    End: Infinity,
  };
  if (!(key in steps)) return null;
  return Math.min(count - 1, Math.max(0, place + steps[key]));
}
