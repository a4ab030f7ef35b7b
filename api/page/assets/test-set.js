/* The view "Test set": a wall of all its images, read by a job and filtered by label or mistake. */

import { Details } from "./details.js";
import { byId, element, say } from "./dom.js";
import { Filters } from "./filters.js";
import { cancel, follow, submitTestSet } from "./job.js";
import { seconds, whole } from "./numbers.js";
import { Readings } from "./readings.js";
import { askJson } from "./service.js";
import { testSubject } from "./subject.js";
import { TestImages, testSet } from "./test-images.js";
import { TestTiles } from "./test-tiles.js";
import { showRefusal } from "./trouble.js";
import { modelQuery, offerModels } from "./version-list.js";
import { onView } from "./views.js";
import { Wall } from "./wall.js";

let started = false;

export function startTestSet() {
  offerModels(byId("wall-model"));
  onView("test-set", async () => {
    if (started) return;
    started = true;
    try {
      const { dataset, labels } = await testSet();
      await new TestSetView(dataset, labels).load();
    } catch (problem) {
      started = false;
      say(byId("tally"), `The test set cannot be shown: ${problem.detail ?? problem.message}`);
    }
  });
}

class TestSetView {
  #labels;
  #mnist;
  #readings = null;
  #details = new Details(byId("details"));
  #images = new TestImages(() => this.#wall.repaint());
  #tiles;
  #wall;
  #filters;

  constructor(dataset, labels) {
    this.#labels = labels;
    this.#mnist = dataset === "mnist";
    this.#tiles = new TestTiles(this.#images, labels);
    const { name, paint, describe } = { name: this.#tiles.name, paint: this.#tiles.paint, describe: this.#tiles.describe };
    this.#wall = new Wall(byId("wall"), {
      name,
      paint: paint.bind(this.#tiles),
      describe: describe.bind(this.#tiles),
      open: (index) => this.#details.open(this.#shown(index)),
      walked: (index) => this.#details.walk(() => this.#shown(index)),
    });
    this.#filters = new Filters(labels, () => this.#show());
    byId("read-all").textContent = `Read all ${whole(labels.length)}`;
    byId("read-all").addEventListener("click", () => this.#readAll());
    byId("wall-model").addEventListener("change", () => this.#forget());
  }

  async load() {
    const kind = this.#mnist ? "images of the MNIST test set" : "generated digits, used instead of MNIST";
    say(byId("tally"), `${whole(this.#labels.length)} ${kind}. Not read yet.`);
    this.#show();
    await this.#images.load(this.#labels.length, (start, stop) => this.#wall.touch(range(start, stop)));
  }

  #show() {
    const order = this.#filters.order(this.#readings);
    this.#wall.show(order, this.#filters.wantsMistakes ? "No mistakes." : "");
  }

  #shown(index) {
    return {
      title: `Image ${whole(index)}`,
      truth: `Labelled ${this.#labels[index]}`,
      right: this.#labels[index],
      subject: testSubject(index),
      picture: null,
    };
  }

  /* Discards the readings of another model. */
  #forget() {
    this.#readings = null;
    this.#tiles.use(null);
    this.#filters.showMistakes(0, false);
    if (this.#filters.wantsMistakes) this.#filters.choose("all", () => {});
    this.#show();
    say(byId("tally"), `${byId("wall-model").value} has not read them yet.`);
  }

  async #readAll() {
    const button = byId("read-all");
    const ref = byId("wall-model").value;
    button.disabled = true;
    byId("wall-model").disabled = true;
    try {
      const id = await submitTestSet(modelQuery(ref), this.#labels.length);
      this.#readings = new Readings(this.#labels.length, this.#labels);
      this.#tiles.use(this.#readings);
      this.#filters.showMistakes(0, true);
      byId("read-progress").value = 0;
      this.#show();
      await this.#follow(id, ref);
    } catch (problem) {
      showRefusal(problem);
      say(byId("tally"), `${problem.title}: ${problem.detail}`);
    } finally {
      button.disabled = false;
      byId("wall-model").disabled = false;
      byId("read-cancel").hidden = true;
      byId("read-progress").hidden = true;
    }
  }

  async #follow(id, ref) {
    byId("read-cancel").hidden = false;
    byId("read-cancel").onclick = () => cancel(id).catch(showRefusal);
    byId("read-progress").hidden = false;
    const readings = this.#readings;
    const job = await follow(id, {
      progress: (state) => this.#showProgress(state),
      items: (items) => {
        this.#tiles.light(readings.take(items), (indices) => this.#wall.touch(indices));
        this.#filters.showMistakes(readings.mistakes, true);
        if (this.#filters.wantsMistakes) this.#show();
      },
    });
    await this.#showEnd(job, ref);
  }

  #showProgress(job) {
    byId("read-progress").value = job.progress;
    const rate = job.progress ? (job.total * job.progress) / job.elapsed_s : 0;
    const finished = Math.round(job.total * job.progress);
    const soon = job.eta_s === null ? "" : ` · ${seconds(job.eta_s)} left`;
    tally(strong(whole(finished)), ` of ${whole(job.total)} read · ${whole(rate)} images/s${soon}`);
  }

  async #showEnd(job, ref) {
    const { read, mistakes } = this.#readings;
    const right = ((1 - mistakes / Math.max(1, read)) * 100).toFixed(2);
    const time = `${whole(read)} read by ${job.model} in ${seconds(job.elapsed_s)} · `;
    if (read < job.total) {
      const rest = job.state === "cancelled" ? "cancelled" : "not read";
      tally(strong(`${whole(read)} of ${whole(job.total)} read`), `, the rest was ${rest} · ${whole(mistakes)} mistakes`);
      return;
    }
    const published = this.#mnist ? await publishedMistakes(ref) : null;
    const comparison = published === null ? "" : ` · ${published === mistakes ? "as published" : `published: ${whole(published)}`}`;
    tally(time, strong(`${whole(mistakes)} mistakes`), `, ${right} % right${comparison}`);
    say(byId("heard"), `All read: ${whole(mistakes)} mistakes`);
  }
}

/* Returns the mistakes on the MNIST test set according to the version's card, or null. */
async function publishedMistakes(ref) {
  const [name, version] = ref.split("@");
  const { accuracy } = await askJson(`models/${name}/${version}`);
  return accuracy?.dataset === "mnist" ? accuracy.images - accuracy.correct : null;
}

const tally = (...parts) => byId("tally").replaceChildren(...parts);

const strong = (text) => element("strong", {}, text);

const range = (start, stop) => Array.from({ length: stop - start }, (_, offset) => start + offset);
