/* Prepares picture files: shrinks them for sending and decodes them for display. */

const MAX_SIDE = 1600; // pixels; a photo of a phone has 4000
const MAX_BYTES = 1_000_000; // slightly below the default of MAX_IMAGE_BYTES
const QUALITY = 0.9;

export const isPicture = (file) => file.type.startsWith("image/");

/* Returns the file if it is small, otherwise a smaller JPEG. Throws if the browser cannot read it. */
export async function sendable(file) {
  if (file.size <= MAX_BYTES) return file;
  const bitmap = await createImageBitmap(file);
  for (let side = MAX_SIDE; ; side /= 2) {
    const blob = await toJpeg(bitmap, Math.min(1, side / Math.max(bitmap.width, bitmap.height)));
    if (blob.size <= MAX_BYTES) {
      bitmap.close();
      return blob;
    }
  }
}

function toJpeg(bitmap, scale) {
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round(bitmap.width * scale));
  canvas.height = Math.max(1, Math.round(bitmap.height * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = "#fff"; // JPEG has no transparency
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/jpeg", QUALITY));
}

/* Returns a bitmap of at most `side` pixels in width and height. */
export async function thumbnail(file, side) {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  if (scale === 1) return bitmap;
  const small = await createImageBitmap(bitmap, {
    resizeWidth: Math.max(1, Math.round(bitmap.width * scale)),
    resizeHeight: Math.max(1, Math.round(bitmap.height * scale)),
    resizeQuality: "medium",
  });
  bitmap.close();
  return small;
}
