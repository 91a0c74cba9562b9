// The middle of a tab: what is being made, or what was made last, or what can be done here at all.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { post } from "./api.js";
import * as feed from "./feed.js";
import { change, field } from "./form.js";
import { actions, picture, reuse } from "./pictures.js";
import { cardElement, problem } from "./notice.js";
import { compareWithBefore } from "./compare.js";

const chosen = new Map(); // tab -> {job, index} that the person looks at, nothing while the newest is followed
const redraws = new Set();

export function look(tab, selection) {
  chosen.set(tab, selection);
  redraws.forEach((redraw) => redraw());
}

export function makeStage(element, tab) {
  const picturePlace = h("div", { class: "canvas" });
  const progress = h("div", { class: "progress" });
  const below = h("div", { class: "below" });
  const waiting = h("div", { class: "waiting" });
  element.classList.add("stage");
  element.setAttribute("aria-label", t("stage.title"));
  element.append(picturePlace, progress, below, waiting);
  const draw = () => drawStage(tab, { picturePlace, progress, below });
  redraws.add(draw);
  draw();
  drawQueue(tab, waiting);
  feed.listen((what, data) => {
    if (what === "download") return;
    if (what === "progress") {
      const shown = current(tab);
      if (shown?.job.id === data.id) drawProgress(shown.job, picturePlace, progress);
      return;
    }
    if (what === "job" && data.tab === tab && data.state === "running") chosen.delete(tab);
    draw();
    drawQueue(tab, waiting);
  });
}

// The job on the stage: the one that was chosen, the one that runs, or the newest with something to show.
function current(tab) {
  const selection = chosen.get(tab);
  const selected = selection && feed.job(selection.job);
  if (selected) return { job: selected, index: selection.index };
  const jobs = feed.allJobs(tab);
  const tells = (job) => job.files.length || job.error || job.state === "cancelled";
  const found = jobs.find((job) => job.state === "running") ?? jobs.findLast(tells);
  return found ? { job: found, index: found.files.length - 1 } : null;
}

function drawStage(tab, { picturePlace, progress, below }) {
  const shown = current(tab);
  if (!shown) {
    replace(picturePlace, empty(tab));
    replace(progress);
    replace(below);
    return;
  }
  const { job, index } = shown;
  if (job.state === "running" && !chosen.get(tab)) {
    if (!picturePlace.querySelector(".preview")) replace(picturePlace, h("div", { class: "preview" }));
    drawProgress(job, picturePlace, progress);
    replace(below);
    return;
  }
  const file = job.files[Math.min(index, job.files.length - 1)];
  replace(picturePlace, file ? picture(file, job.prompt) : h("p", { class: "hint" }, job.title));
  replace(progress);
  replace(below, job.error ? cardElement(tab, job.error, job.id) : null, file ? under(tab, job, file) : null, goOn(tab, job));
}

function drawProgress(job, picturePlace, place) {
  const told = job.progress ?? { text: t("progress.begins"), part: 0, preview: null };
  let bar = place.querySelector("progress");
  if (!bar) {
    bar = h("progress", { max: "1", "aria-label": t("progress.label") });
    replace(place, bar, h("p", { class: "text" }));
  }
  bar.value = told.part;
  place.querySelector(".text").textContent = job.stopping ? t("progress.stopping") : told.text;
  if (told.preview) drawPreview(picturePlace, told.preview);
}

function drawPreview(place, address) {
  let image = place.querySelector("img.live");
  if (!image) {
    image = h("img", { class: "live", alt: t("stage.preview") });
    replace(place, h("div", { class: "preview" }, image));
  }
  if (image.getAttribute("src") !== address) image.setAttribute("src", address);
}

function under(tab, job, file) {
  const facts = [`${file.width} × ${file.height}`, t("stage.seed", { seed: file.seed }), job.summary];
  return h(
    "div",
    {},
    actions(tab, file, { onChange: (what) => what === "trash" && chosen.delete(tab) }),
    job.before ? button(t("compare.with-before"), () => compareWithBefore(job.before, file), { image: "compare" }) : null,
    h("p", { class: "facts" }, facts.join(" · ")),
    file.notes.map((note) => h("p", { class: "note" }, note)),
    h("details", {}, h("summary", {}, t("stage.more")), h("p", { class: "prompt" }, job.prompt), reuse(tab, file)),
  );
}

function goOn(tab, job) {
  const stopped = job.state === "cancelled" && job.files.length < job.count;
  if (!stopped) return null;
  const resume = () => post(`/jobs/${job.id}/resume`).catch((error) => problem(tab, error));
  return h("div", { class: "row" }, h("span", {}, job.summary), button(t("fix.resume"), resume));
}

function empty(tab) {
  const ideas = ["one", "two", "three"].map((name) => t(`${tab}.example.${name}`));
  const begin = async (text) => {
    if (await change(tab, { action: "set", values: { prompt: text } })) field(tab, "prompt")?.focus();
  };
  return h(
    "div",
    { class: "empty" },
    h("h2", {}, t(`${tab}.empty.title`)),
    h("p", {}, t(`${tab}.empty.text`)),
    h("div", { class: "row ideas" }, ideas.map((text) => button(text, () => begin(text), { kind: "idea" }))),
    h("p", { class: "hint" }, t("empty.keys")),
  );
}

function drawQueue(tab, place) {
  const jobs = feed.waiting();
  if (!jobs.length && !feed.queue.paused) return replace(place);
  const pause = () => post("/queue", { paused: !feed.queue.paused }).catch((error) => problem(tab, error));
  const rows = jobs.map((job, index) => queueRow(tab, jobs, job, index));
  replace(
    place,
    h("h3", {}, t("queue.title", { count: jobs.length })),
    feed.queue.left ? h("p", { class: "hint" }, t("queue.left")) : null,
    h("div", { class: "row" }, button(t(feed.queue.paused ? "queue.go-on" : "queue.pause"), pause)),
    h("ol", {}, rows),
  );
}

function queueRow(tab, jobs, job, index) {
  const run = (path, data) => () => post(path, data).catch((error) => problem(tab, error));
  const earlier = run(`/jobs/${job.id}/move`, { before: jobs[index - 1]?.id ?? "" });
  const later = run(`/jobs/${job.id}/move`, { before: jobs[index + 2]?.id ?? "" });
  return h(
    "li",
    {},
    h("span", { class: "title" }, job.title),
    index > 0 ? button(t("queue.earlier"), earlier, { image: "up", quiet: true }) : null,
    index < jobs.length - 1 ? button(t("queue.later"), later, { image: "down", quiet: true }) : null,
    button(t("queue.remove"), run(`/jobs/${job.id}/stop`), { image: "close", quiet: true }),
  );
}
