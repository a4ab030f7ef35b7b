/* The view "Draw": a pad, and the model's reading of what is drawn. */

import { readingOf, sureness } from "./answers.js";
import { byId, say } from "./dom.js";
import { onFiles } from "./dropping.js";
import { settled } from "./newest.js";
import { whole } from "./numbers.js";
import { Pad } from "./pad.js";
import { isPicture, sendable, thumbnail } from "./picture.js";
import { Reading } from "./reading.js";
import { askBitmap } from "./service.js";
import { numberSubject, pictureSubject, testSubject } from "./subject.js";
import { testSet } from "./test-images.js";
import { showRefusal } from "./trouble.js";

const SPOKEN_MS = 900; // delay after the last change before a screen reader announces the answer
const SHOWN_SIDE = 900; // size of a photo on the pad in pixels

export function startDraw() {
  const speak = settled(SPOKEN_MS, (answer) => {
    say(byId("heard"), answer.state === "unsure" ? `Not read: ${sureness(answer)}` : `Read as ${readingOf(answer)}, ${sureness(answer)}`);
  });
  const reading = new Reading(byId("draw-reading"), {
    answered: (answer) => {
      speak(answer);
      pad.mark(answer.digits ?? [], answer.size);
    },
    refused: showRefusal,
  });
  const drawing = () => pad.toBlob();
  let body = drawing; // the newest drawing or file
  const readBody = () => reading.read(byId("kind").value === "number" ? numberSubject(body) : pictureSubject(body));
  const pad = new Pad(() => {
    if (pad.empty) reading.clear();
    else if (!pad.hasPicture) {
      body = drawing;
      readBody();
    }
  });

  /* Shows and reads a file. One that this browser cannot open, such as a TIFF, is shown as its name, and the service may read it. */
  async function lay(file) {
    if (!isPicture(file)) {
      reading.fail(`${file.name} is not a picture`, "Drop a photo, a scan or a drawing of a digit or a number.");
      return;
    }
    const shown = await thumbnail(file, SHOWN_SIDE).catch(() => null);
    pad.show(shown, shown ? file.name : `${file.name} (this browser cannot show it)`);
    body = shown ? await sendable(file) : file;
    readBody();
  }

  async function pick() {
    const { labels } = await testSet();
    const index = Math.floor(Math.random() * labels.length);
    pad.show(await askBitmap(`mnist/image/${index}`), `Test image ${whole(index)}, labelled ${labels[index]}`);
    body = null;
    reading.read(testSubject(index));
  }

  byId("kind").addEventListener("change", () => {
    if (!pad.empty && body) readBody();
  });
  byId("pad-clear").addEventListener("click", () => pad.clear());
  byId("pad-undo").addEventListener("click", () => pad.undo());
  byId("pick").addEventListener("click", () => pick().catch(showRefusal));
  byId("photo").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) lay(file);
    event.target.value = "";
  });
  onFiles("draw", byId("pad-frame"), ([file]) => lay(file));
}
