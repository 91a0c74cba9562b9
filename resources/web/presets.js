// Presets: a row of cards in the form, and the tab where they are saved, copied, explained, brought in and taken out.

import { h, button, replace, dialog } from "./dom.js";
import { t } from "./words.js";
import { get, post, send } from "./api.js";
import * as feed from "./feed.js";
import { change, chosenTask, control, currentTab, generationTab } from "./form.js";
import { problem, toast } from "./notice.js";
import { kept } from "./typing.js";

let known = { presets: [], broken: [] };
const redraws = new Set();
const applied = new Map(); // tab -> id of the preset that was applied last

async function refresh() {
  known = await get("/presets");
  redraws.forEach((redraw) => redraw());
}

const attempt = (run) => async () => {
  try {
    await run();
  } catch (error) {
    problem(generationTab(), error);
  }
};

const tabOf = (preset) => (preset.task.endsWith("video") ? "video" : "image");

async function apply(tab, id) {
  if (!(await change(tab, { action: "preset", id }))) return;
  applied.set(tab, id);
  redraws.forEach((redraw) => redraw());
}

// The row in the form: what belongs to this tab, with a picture each.
export function makePresetRow(element, tab) {
  element.classList.add("preset-row");
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", t("form.preset"));
  const draw = () => {
    const cards = known.presets.filter((preset) => preset.task === chosenTask(tab)).map((preset) => card(tab, preset));
    element.hidden = !cards.length;
    replace(element, h("span", { class: "label" }, t("form.preset")), h("div", { class: "cards" }, cards));
  };
  redraws.add(draw);
  watchTask(tab, draw);
  known.presets.length ? draw() : refresh().catch((error) => problem(tab, error));
}

// The mode changes by a click and by an answer of the server, which makes no event: at the first sight of the page no chip
// may be chosen yet.
function watchTask(tab, draw) {
  const chips = control(tab, "task");
  if (!chips) return;
  let shown = chosenTask(tab);
  const look = () => {
    const task = chosenTask(tab);
    if (task === shown) return;
    shown = task;
    draw();
  };
  chips.addEventListener("change", () => setTimeout(look));
  const what = { subtree: true, childList: true, attributes: true, attributeFilter: ["class", "aria-checked"] };
  new MutationObserver(() => setTimeout(look)).observe(chips, what);
}

function card(tab, preset) {
  const on = applied.get(tab) === preset.id;
  return h(
    "button",
    {
      type: "button",
      class: "preset-card",
      title: [preset.description, ...preset.changes].join("\n"),
      "aria-pressed": String(on),
      onclick: () => apply(tab, on ? "" : preset.id),
    },
    thumbnail(preset),
    h("span", {}, preset.title),
  );
}

function thumbnail(preset) {
  if (preset.thumbnail) return h("img", { src: preset.thumbnail, alt: "", loading: "lazy" });
  return h("span", { class: "no-picture", "aria-hidden": "true" }, preset.title.slice(0, 1));
}

export function makePresetsTab(element) {
  const list = h("div", { class: "preset-list" });
  const file = h("input", { type: "file", accept: ".easel,.yaml,.yml", hidden: true, "aria-label": t("presets.import") });
  file.addEventListener("change", attempt(async () => {
    if (file.files.length) await send("/presets/import", file.files[0]);
    file.value = "";
    await refresh();
  }));
  element.classList.add("presets-tab");
  element.append(
    h("p", {}, t("presets.text")),
    h("div", { class: "row" },
      button(t("presets.save"), () => saveDialog(), { kind: "primary" }),
      button(t("presets.import"), () => file.click()),
      file),
    list,
  );
  const draw = () => replace(list, known.presets.map(row), known.broken.map(brokenRow));
  redraws.add(draw);
  refresh().catch((error) => problem("image", error));
}

function row(preset) {
  const path = `/presets/${preset.id.split("/").map(encodeURIComponent).join("/")}`;
  return h(
    "article",
    { class: "preset" },
    thumbnail(preset),
    h("div", { class: "about" },
      h("h3", {}, preset.title),
      h("p", { class: "kind" }, t(`task.${preset.task}`), preset.bundled ? ` · ${t("presets.bundled")}` : ""),
      h("p", {}, preset.description),
      h("p", { class: "changes" }, preset.changes.join(" · "))),
    h("div", { class: "row" },
      button(t("presets.apply"), () => apply(tabOf(preset), preset.id), { kind: "primary" }),
      button(t("presets.explain"), attempt(() => explain(path))),
      button(t("presets.duplicate"), attempt(async () => { await post(`${path}/duplicate`); await refresh(); })),
      h("a", { class: "easel-button", href: `/easel${path}/export`, download: `${preset.id.split("/")[1]}.easel` }, t("presets.export")),
      preset.bundled ? null : button(t("presets.trash"), attempt(async () => { await post(`${path}/trash`); await refresh(); }), { image: "trash", quiet: true })),
  );
}

function brokenRow(each) {
  return h("article", { class: "preset broken" }, h("h3", {}, each.name), h("p", {}, `${each.title} ${each.cause}`));
}

async function explain(path) {
  const found = await get(`${path}/explain`);
  const cells = (entry) => [entry.field, String(entry.value), `${entry.origin}${entry.detail ? ` (${entry.detail})` : ""}`];
  const head = ["explain.field", "explain.value", "explain.origin"].map((key) => h("th", { scope: "col" }, t(key)));
  dialog(t("explain.title", { preset: found.title, model: found.model }), (close) => [
    h("table", {}, h("thead", {}, h("tr", {}, head)),
      h("tbody", {}, found.rows.map((entry) => h("tr", {}, cells(entry).map((text) => h("td", {}, text)))))),
    h("div", { class: "row" }, button(t("close"), close, { kind: "primary" })),
  ], "wide");
}

function saveDialog() {
  const tab = ["image", "video"].includes(currentTab()) ? currentTab() : "image";
  const newest = feed.allJobs(tab).findLast((job) => job.files.length)?.files.at(-1);
  const title = h("input", { type: "text", id: "preset-title", maxlength: "80", required: true });
  const text = h("input", { type: "text", id: "preset-text", maxlength: "400" });
  const words = h("input", { type: "checkbox", id: "preset-words" });
  const save = (close) => attempt(async () => {
    if (!title.reportValidity()) return;
    await kept();
    await post("/presets", {
      tab, title: title.value, description: text.value, words: words.checked, picture: newest?.picture ?? "",
    });
    close();
    toast(t("presets.saved"));
    await refresh();
  });
  dialog(t("presets.save"), (close) => h(
    "form",
    { onsubmit: (event) => { event.preventDefault(); save(close)(); } },
    h("label", { for: "preset-title" }, t("presets.title")), title,
    h("label", { for: "preset-text" }, t("presets.description")), text,
    h("label", { class: "check" }, words, t("presets.words")),
    h("div", { class: "row" },
      h("button", { type: "submit", class: "easel-button primary" }, t("presets.save")),
      button(t("cancel"), close)),
  ));
}
