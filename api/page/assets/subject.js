/* The subject of a reading: a picture file, which is fitted, or an image of the test set. */

import { askBitmap, askJson } from "./service.js";
import { modelQuery } from "./version-list.js";

/* `body` is a Blob or an async function that returns one. */
export const pictureSubject = (body) => ({
  classify: async (ref, query = "") =>
    askJson(address("mnist/classify", "fit=digit&show=fitted", modelQuery(ref), query), {
      method: "POST",
      body: typeof body === "function" ? await body() : body,
    }),
  seen: async (answer) => bitmapOf(answer.fitted),
});

/* A picture of a number. The answer gets the `size` of the picture that was sent, in whose pixels its boxes are. */
export const numberSubject = (body) => ({
  classify: async (ref) => {
    const sent = typeof body === "function" ? await body() : body;
    const answer = await askJson(address("mnist/classify", "fit=number", ""), { method: "POST", body: sent });
    const bitmap = await createImageBitmap(sent);
    answer.size = [bitmap.width, bitmap.height];
    bitmap.close();
    return answer;
  },
  seen: async () => null,
});

export const testSubject = (index) => ({
  index,
  classify: (ref, query = "") => askJson(address(`mnist/classify/${index}`, modelQuery(ref), query)),
  seen: () => askBitmap(`mnist/image/${index}`),
});

async function bitmapOf(base64) {
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  return createImageBitmap(new Blob([bytes], { type: "image/png" }));
}

function address(path, ...queries) {
  const query = queries.filter(Boolean).join("&");
  return query ? `${path}?${query}` : path;
}
