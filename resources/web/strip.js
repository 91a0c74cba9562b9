// The right side of a tab: the pictures of this session, newest first.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import * as feed from "./feed.js";
import { look } from "./stage.js";
import { isVideo } from "./pictures.js";

export function makeStrip(element, tab) {
  element.classList.add("strip");
  element.setAttribute("aria-label", t("strip.title"));
  const draw = () => {
    const jobs = feed.allJobs(tab).reverse();
    replace(element, jobs.flatMap((job) => thumbnails(tab, job)));
  };
  draw();
  feed.listen((what, data) => {
    if (what === "snapshot" || what === "trashed" || (what === "job" && data.tab === tab)) draw();
  });
}

function thumbnails(tab, job) {
  const shown = job.files.map((file, index) => thumbnail(tab, job, file, index)).reverse();
  return job.error && !shown.length ? [broken(tab, job)] : shown;
}

function thumbnail(tab, job, file, index) {
  const label = t("strip.picture", { prompt: job.title, seed: file.seed });
  return h(
    "button",
    { type: "button", class: "thumbnail", title: label, "aria-label": label, onclick: () => look(tab, { job: job.id, index }) },
    h("img", { src: file.thumbnail, alt: "", loading: "lazy" }),
    isVideo(file) ? h("span", { class: "badge" }, "▶") : null,
  );
}

function broken(tab, job) {
  return button(t("strip.problem", { prompt: job.title }), () => look(tab, { job: job.id, index: 0 }), {
    image: "warning",
    quiet: true,
    kind: "thumbnail",
  });
}
