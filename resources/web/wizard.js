// The first steps: this computer, where models live, a first model, its download. Each can be skipped.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import * as feed from "./feed.js";
import { field } from "./form.js";
import { asked, entryCard, useModel } from "./models.js";
import { downloadList, errorBelow } from "./downloads.js";

const STEPS = ["one", "two", "three", "four"];
const MOST_OWN = 5; // of the person's own models that the first steps offer; the Models tab has all
let open = null;

// At the first start, and again where the program ended in the middle of it.
export async function startWizard() {
  const { open: wanted } = await get("/wizard").catch(() => ({ open: false }));
  if (!wanted) return;
  const { downloads } = await get("/downloads").catch(() => ({ downloads: [] }));
  openWizard(downloads.length ? 3 : 0);
}

export function openWizard(step = 0) {
  if (open) return;
  const heading = h("h2", { id: "wizard-title" }, t("wizard.title"));
  const trail = h("ol", { class: "trail" });
  const content = h("div", { class: "step" });
  const foot = h("div", { class: "row foot" });
  const element = h("dialog", { class: "easel-dialog wide wizard", "aria-labelledby": "wizard-title" }, heading, trail, content, foot);
  const close = () => element.close();
  element.addEventListener("close", () => {
    open = null;
    element.remove();
    post("/wizard").catch(() => {});
  });
  const show = (number) => {
    replace(trail, STEPS.map((name, index) => h("li", { "aria-current": index === number ? "step" : null }, t(`wizard.${name}`))));
    const title = h("h3", { tabindex: "-1" }, t(`wizard.${STEPS[number]}`));
    const place = h("div", { class: "content" });
    replace(content, h("p", { class: "kind" }, t("wizard.step", { number: number + 1, count: STEPS.length })), title, place);
    const next = MAKERS[number](place, { show, close, number });
    replace(foot,
      number > 0 ? button(t("wizard.back"), () => show(number - 1)) : null,
      h("span", { class: "space" }),
      button(t(number < STEPS.length - 1 ? "wizard.close" : "close"), close),
      next);
    title.focus();
  };
  document.body.append(element);
  element.showModal();
  open = element;
  show(step);
}

const nextButton = (label, act) => button(label, act, { kind: "primary" });

const MAKERS = [computer, places, choice, fetching];

function computer(place, { show }) {
  replace(place, h("p", { role: "status" }, t("wizard.looking")));
  get("/models/computer")
    .then((found) => replace(place,
      h("table", {}, h("tbody", {}, found.rows.map(([name, value]) => h("tr", {}, h("th", { scope: "row" }, name), h("td", {}, value))))),
      h("p", { class: "sentence" }, found.sentence)))
    .catch((error) => errorBelow(place, error));
  return nextButton(t("wizard.next"), () => show(1));
}

function places(place, { show }) {
  const trouble = h("div", {});
  const list = h("div", {});
  replace(place, h("p", {}, t("wizard.two.text")), list, trouble);
  const draw = (found) => replace(list,
    h("p", { class: "path" }, `${found.new.path} (${t("models.folders.free", found.new)})`),
    h("h4", {}, t("wizard.two.have")),
    h("p", { class: "hint" }, t(found.elsewhere.length ? "wizard.two.found" : "wizard.two.none")),
    found.elsewhere.map((each) => h("label", { class: "check" },
      h("input", { type: "checkbox", value: each.path, checked: true }), `${each.program}: ${each.path}`)),
    found.folders.filter((folder) => folder.removable).map((folder) => h("p", { class: "path" }, folder.path)),
    asked("folders.add", "models.folders.add.do", async (path) => draw(await post("/models/folders", { add: [path] })), { key: "wizard.two.add", picks: ["folder"] }));
  get("/models/folders").then(draw).catch((error) => errorBelow(trouble, error));
  return nextButton(t("wizard.next"), async () => {
    const add = [...list.querySelectorAll("input:checked")].map((each) => each.value);
    try {
      if (add.length) await post("/models/folders", { add });
      show(2);
    } catch (error) {
      errorBelow(trouble, error);
    }
  });
}

function choice(place, { show, close }) {
  const trouble = h("div", {});
  const cards = h("div", { class: "cards" });
  const own = h("div", { class: "own-models" });
  replace(place, own, cards, trouble,
    asked("import", "models.import.do", async (path) => {
      const found = await post("/models/import", { path });
      if (found.models.length) await first(found.models[0].id, found.models[0].makes, close);
      return true;
    }, { picks: ["model", "folder"] }));
  const begin = (entry, card) => async () => {
    replace(trouble, h("p", { role: "status" }, t("download.asking")));
    card.setAttribute("aria-busy", "true");
    try {
      await post("/downloads", { entry: entry.id });
      show(3);
    } catch (error) {
      errorBelow(trouble, error);
    } finally {
      card.removeAttribute("aria-busy");
    }
  };
  get("/models").then((found) => replace(own, ...yours(found.models, close))).catch((error) => errorBelow(trouble, error));
  get("/models/catalogue").then((found) => {
    if (!found.online) return replace(cards, h("p", { class: "hint" }, t("wizard.three.offline")));
    const chosen = Object.entries(found.first).map(([kind, id]) => [kind, found.entries.find((entry) => entry.id === id)]);
    replace(cards, chosen.map(([kind, entry]) => {
      const card = h("div", { class: "choice" }, h("p", { class: "badge-line" }, t(`wizard.three.${kind}`)));
      card.append(entryCard(entry, trouble, { begin: begin(entry, card) }));
      return card;
    }), h("p", { class: "hint" }, t("wizard.three.text")));
  }).catch((error) => errorBelow(trouble, error));
  return button(t("wizard.three.starter"), () => first("", "image", close));
}

// Models that the person has already come before all that could be fetched; the smallest first, it is the quickest to try.
function yours(models, close) {
  const found = models.filter((model) => !model.bundled && model.fit !== "too-big").slice(0, MOST_OWN);
  if (!found.length) return [];
  const line = (model) => h("li", { class: "row" },
    h("span", {}, model.title, h("span", { class: "kind" }, ` ${model.family} · ${model.size}`)),
    button(t("wizard.three.use", { title: model.title }), () => first(model.id, model.makes, close), { kind: "primary" }));
  return [h("p", { class: "badge-line" }, t("wizard.three.yours")), h("ul", {}, found.map(line))];
}

function fetching(place, { close }) {
  const list = h("div", { class: "downloads" });
  const note = h("p", { class: "hint", role: "status" });
  const ready = nextButton(t("wizard.first"), () => begin());
  let newest = null;
  const begin = () => {
    const usable = newest?.state === "done" && newest.model;
    first(usable ? newest.model : "", usable && newest.makes ? newest.makes : "image", close);
  };
  const onChange = (shown) => {
    newest = shown.findLast((view) => view.state === "done" && view.model) ?? shown.at(-1);
    if (!newest) note.textContent = t("wizard.four.none");
    else if (newest.state !== "done") note.textContent = t("wizard.four.meanwhile");
    else note.textContent = newest.model ? t("wizard.four.ready", { title: newest.title }) : t("wizard.unusable");
    ready.disabled = Boolean(newest) && newest.state !== "done" && newest.state !== "failed";
  };
  replace(place, list, note);
  queueMicrotask(() => downloadList(list, { onChange }));
  return ready;
}

// Into the form with a model and an example to begin with; what stands there already is kept.
async function first(model, makes, close) {
  const tab = makes === "video" ? "video" : "image";
  const written = field(tab, "prompt")?.value.trim();
  close();
  const values = written ? {} : { prompt: t(`${tab}.example.one`) };
  await useModel(model || null, makes, values);
  document.querySelector(`#${tab}-generate`)?.focus();
}
