/* The view "Draw": a pad, and how what is on it is read, as it is drawn. */

import { byId, say } from "./dom.js";
import { onFiles } from "./dropping.js";
import { settled } from "./newest.js";
import { percent } from "./numbers.js";
import { Pad } from "./pad.js";
import { isPicture, sendable, thumbnail } from "./picture.js";
import { Reading } from "./reading.js";
import { askBitmap } from "./service.js";
import { pictureSubject, testSubject } from "./subject.js";
import { testSet } from "./test-images.js";
import { tellRefused } from "./trouble.js";

const SPOKEN_MS = 900; // after the last change, the answer is told to who cannot see it
const SHOWN_SIDE = 900; // pixels of a photo on the pad

export function startDraw() {
  const speak = settled(SPOKEN_MS, (answer) => {
    const share = percent(answer.debug.probabilities[answer.prediction]);
    say(byId("heard"), `Read as ${answer.prediction}, ${share} sure`);
  });
  const reading = new Reading(byId("draw-reading"), {
    answered: speak,
    refused: tellRefused,
  });
  const drawn = pictureSubject(() => pad.toBlob());
  const pad = new Pad(() => {
    if (pad.empty) reading.clear();
    else if (!pad.hasPicture) reading.read(drawn);
  });

  async function lay(file) {
    if (!isPicture(file)) return;
    try {
      pad.show(await thumbnail(file, SHOWN_SIDE));
      reading.read(pictureSubject(await sendable(file)));
    } catch (error) {
      pad.clear();
      reading.clear(`${file.name} cannot be opened by this browser: ${error.message}`);
    }
  }

  async function pick() {
    const { labels } = await testSet();
    const index = Math.floor(Math.random() * labels.length);
    pad.show(await askBitmap(`mnist/image/${index}`));
    reading.read(testSubject(index));
  }

  byId("pad-clear").addEventListener("click", () => pad.clear());
  byId("pad-undo").addEventListener("click", () => pad.undo());
  byId("pick").addEventListener("click", () => pick().catch(tellRefused));
  byId("photo").addEventListener("change", (event) => {
    const [file] = event.target.files;
    if (file) lay(file);
    event.target.value = "";
  });
  onFiles("draw", byId("pad-frame"), ([file]) => lay(file));
}
