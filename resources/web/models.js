// The Models tab: what is here, what can be fetched, where models are looked for.

import { h, button, replace, dialog } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import * as feed from "./feed.js";
import { change, openTab } from "./form.js";
import { toast } from "./notice.js";
import { confirmDownload, downloadList, errorBelow } from "./downloads.js";
import { folderRows } from "./folders.js";
import { openWizard } from "./wizard.js";

let known = { models: [], files: [], problems: [] };
let redraw = () => {};

async function refresh(path = null, data = {}) {
  known = path ? await post(path, data) : await get("/models");
  redraw();
}

export async function useModel(id, makes = "image", values = {}) {
  const tab = makes === "video" ? "video" : "image";
  const found = await change(tab, { action: "set", values: { model: id, ...values } });
  const title = known.models.find((model) => model.id === id)?.title ?? id;
  if (found && !Object.keys(values).length) toast(t("models.used", { title, tab: t(`tab.${found}`) }));
  return found;
}

export function makeModelsTab(element) {
  element.classList.add("models-tab");
  const downloads = h("div", { class: "downloads" });
  const title = h("h3", {}, t("models.downloads"));
  const onChange = (shown) => { title.hidden = !shown.length; };
  element.append(installed(), h("section", { "aria-label": t("models.downloads") }, title, downloads), more(), folders(), token());
  downloadList(downloads, { onUse: (view) => useModel(view.model, makesOf(view.model)), onChange });
  feed.listen((what, data) => {
    if (what === "download" && data.state === "done") refresh().catch(() => {});
  });
}

const makesOf = (id) => known.models.find((model) => model.id === id)?.makes ?? "image";

// The catalogue of what makes pictures or videos: the way out of a tab that has no model. The tab may be opened for the
// first time by this, so the wish waits until its catalogue is there.
let wanted = null;

export function showModels(makes) {
  wanted = makes;
  openTab("models");
  showWanted();
}

function showWanted() {
  const kind = document.querySelector("#catalogue-kind");
  if (!kind || wanted === null) return;
  kind.value = wanted;
  wanted = null;
  kind.dispatchEvent(new Event("change"));
  kind.closest("section").scrollIntoView({ block: "start" });
}

function kindSelect(id) {
  const kinds = ["all", "image", "video"].map((kind) => h("option", { value: kind === "all" ? "" : kind }, t(`models.kind.${kind}`)));
  return h("select", { id, "aria-label": t("models.kind") }, kinds);
}

// What is here

function installed() {
  const trouble = h("div", {});
  const search = h("input", { type: "search", id: "models-search", placeholder: t("models.search"), "aria-label": t("models.search") });
  const kind = kindSelect("models-kind");
  const list = h("div", { class: "model-list" });
  redraw = () => {
    const words = search.value.toLowerCase().split(/\s+/u).filter(Boolean);
    const fits = (model) => words.every((word) => `${model.title} ${model.family} ${model.place}`.toLowerCase().includes(word));
    const shown = known.models.filter((model) => fits(model) && (!kind.value || model.makes === kind.value));
    replace(list, shown.map(row), otherFiles(words), known.problems.map(brokenRow), shown.length ? null : h("p", { class: "hint" }, t("models.none-found")));
  };
  search.addEventListener("input", redraw);
  kind.addEventListener("change", redraw);
  const load = (path) => refresh(path).catch((error) => errorBelow(trouble, error));
  load(null);
  return h("section", { "aria-label": t("models.here") },
    h("h3", {}, t("models.here")),
    h("div", { class: "row filters" }, search, kind,
      button(t("models.rescan"), () => load("/models/rescan"), { image: "reload", quiet: true }),
      button(t("models.wizard"), () => openWizard())),
    trouble, list);
}

function row(model) {
  const facts = [model.family, model.size, model.bundled ? t("models.bundled") : model.place];
  return h("article", { class: "model" },
    h("div", { class: "about" },
      h("h4", {}, model.title, " ", h("span", { class: `fit ${model.fit}` }, model.fit_text), model.default ? h("span", { class: "fit" }, t("models.default")) : null),
      h("p", { class: "kind" }, facts.join(" · ")),
      model.description ? h("p", {}, model.description) : null),
    h("div", { class: "row" },
      button(t("models.use"), () => useModel(model.id, model.makes), { kind: "primary" }),
      model.default ? null : named(button(t("models.make-default"), () => refresh("/models/default", { id: model.id }).catch((error) => toast(error.message))), `${t("models.make-default")}: ${model.title}`),
      button(t("models.details"), () => details(model))));
}

// LoRAs, VAEs, text encoders and such: folded, since they are chosen elsewhere.
function otherFiles(words) {
  const found = known.files.filter((file) => words.every((word) => `${file.name} ${file.kind} ${file.families} ${file.place}`.toLowerCase().includes(word)));
  if (!found.length) return null;
  const line = (file) => h("tr", {}, h("th", { scope: "row" }, file.name), h("td", {}, file.kind), h("td", {}, file.families), h("td", {}, file.size),
    h("td", {}, file.place, file.triggers ? ` · ${t("models.triggers", { words: file.triggers })}` : ""));
  const heads = ["name", "kind", "family", "size", "place"].map((name) => h("th", { scope: "col" }, t(`models.column.${name}`)));
  return h("details", { class: "other-files" }, h("summary", {}, t("models.others", { count: found.length })),
    h("table", {}, h("thead", {}, h("tr", {}, heads)), h("tbody", {}, found.map(line))));
}

function brokenRow(each) {
  return h("article", { class: "model broken" },
    h("h4", {}, each.name), h("p", {}, `${each.title} ${each.cause}`), h("p", { class: "kind" }, each.place));
}

function details(model) {
  const usual = Object.entries(model.defaults).map(([name, value]) => `${name}: ${value}`).join(", ");
  const rows = [["family", model.family], ["tasks", model.tasks.join(", ")], ["size", model.size], ["place", model.place],
    ["licence", model.licence], ["defaults", usual], ["sha256", model.sha256], ["fingerprint", model.fingerprint], ["description", model.description]];
  const show = () => post("/models/show", { id: model.id }).catch((error) => toast(String(error.message)));
  dialog(model.title, (close) => [
    h("table", {}, h("tbody", {}, rows.filter(([, value]) => value).map(([name, value]) =>
      h("tr", {}, h("th", { scope: "row" }, t(`models.detail.${name}`)), h("td", {}, value))))),
    partChoices(model),
    precision(model),
    h("div", { class: "row" }, button(t("models.show"), show), button(t("close"), close, { kind: "primary" })),
  ], "wide");
}

// The parts that a model in one file takes from elsewhere, each with what else on this computer has it.
function partChoices(model) {
  const place = h("div", { class: "parts" });
  const trouble = h("div", {});
  const draw = ({ parts }) => replace(place, parts.length ? [h("h3", {}, t("models.parts")), h("p", { class: "hint" }, t("models.parts.text")), parts.map(line)] : []);
  const line = (each) => {
    const id = `part-${each.part}`;
    const usual = each.needed ? t("models.parts.auto", { place: each.offers[0] ?? "" }) : t("models.parts.none");
    const select = h("select", { id, onchange: () => ask({ part: each.part, place: select.value }) },
      h("option", { value: "", selected: !each.chosen }, usual),
      each.offers.map((offer) => h("option", { value: offer, selected: each.chosen && offer === each.place }, offer)));
    return h("p", {}, h("label", { for: id }, each.name), " ", select);
  };
  const ask = (data = {}) => {
    replace(trouble);
    return post("/models/parts", { id: model.id, ...data }).then(draw).catch((error) => errorBelow(trouble, error));
  };
  ask();
  return h("div", {}, place, trouble);
}

// In 8 bits: less memory, another picture. What is packed already has no such choice.
function precision(model) {
  if (model.packed) return null;
  const box = h("input", { type: "checkbox", checked: model.eight_bits });
  box.addEventListener("change", () => refresh("/models/precision", { id: model.id, eight_bits: box.checked }).catch((error) => toast(error.message)));
  return h("div", {}, h("label", { class: "check" }, box, t("models.eight-bits")), h("p", { class: "hint" }, t("models.eight-bits.text")));
}

// What can be fetched

function more() {
  const section = h("section", { "aria-label": t("models.more") }, h("h3", {}, t("models.more")), h("p", { class: "hint" }, t("models.more.text")));
  const trouble = h("div", {});
  const search = h("input", { type: "search", id: "catalogue-search", placeholder: t("models.catalogue.search"), "aria-label": t("models.catalogue.search") });
  const kind = kindSelect("catalogue-kind");
  const fitting = h("input", { type: "checkbox", id: "catalogue-fitting", checked: true });
  const list = h("div", { class: "catalogue" });
  let entries = [];
  const draw = () => {
    const words = search.value.toLowerCase().split(/\s+/u).filter(Boolean);
    const shown = entries.filter((entry) => words.every((word) => `${entry.title} ${entry.summary} ${entry.repository}`.toLowerCase().includes(word)));
    const fits = (entry) => (!kind.value || entry.makes === kind.value) && (!fitting.checked || (entry.known && entry.fit !== "too-big"));
    replace(list, shown.filter(fits).map((entry) => entryCard(entry, trouble)));
  };
  search.addEventListener("input", draw);
  kind.addEventListener("change", draw);
  fitting.addEventListener("change", draw);
  get("/models/catalogue").then((found) => { entries = found.entries; draw(); showWanted(); }).catch((error) => errorBelow(trouble, error));
  section.append(
    h("div", { class: "row filters" }, search, kind, h("label", { class: "check" }, fitting, t("models.fitting"))),
    trouble, list,
    asked("address", "models.look-up", (address) => confirmDownload({ address })),
    asked("import", "models.import.do", importFrom, { picks: ["model", "folder"] }));
  return section;
}

export function entryCard(entry, trouble, { begin = null, label = t("catalogue.get"), heading = "h4" } = {}) {
  const get_ = begin ?? (() => confirmDownload({ entry: entry.id }).catch((error) => errorBelow(trouble, error)));
  const notes = [entry.accept ? t("catalogue.accept") : "", entry.commercial === false ? t("catalogue.non-commercial") : "", entry.known ? "" : t("catalogue.unknown")];
  return h("article", { class: "entry" },
    h("div", { class: "row" }, h(heading, {}, entry.title), h("span", { class: `fit ${entry.fit}` }, entry.fit_text)),
    h("p", {}, entry.summary),
    h("p", { class: "kind" }, [marked(entry, entry.size, "sizes"), marked(entry, entry.memory, "memory"), entry.estimate].filter(Boolean).join(" · ")),
    h("p", { class: "kind" }, marked(entry, t("licence.label", { licence: entry.licence }), "licence")),
    origins(entry),
    notes.filter(Boolean).map((note) => h("p", { class: "note" }, note)),
    h("div", { class: "row" }, named(button(label, get_, { kind: entry.fit === "too-big" || !entry.known ? "" : "primary" }), t("catalogue.get.title", { title: entry.title }))));
}

// A fact that nobody compared with its source says so.
function marked(entry, text, fact) {
  return text && entry.unchecked.includes(fact) ? `${text} (${t("catalogue.not-checked")})` : text;
}

function origins(entry) {
  const line = (fact) => h("li", {}, h("b", {}, fact.name), ` ${fact.source}`, fact.checked ? "" : ` (${t("catalogue.not-checked")})`);
  return h("details", { class: "origins" }, h("summary", {}, t("catalogue.origins")),
    h("p", { class: "path" }, entry.repository), h("ul", {}, entry.facts.map(line)));
}

function named(element, name) {
  element.setAttribute("aria-label", name);
  return element;
}

async function importFrom(path) {
  const found = await post("/models/import", { path });
  toast(t("models.imported", { count: found.count }));
  await refresh();
  return found;
}

// A line to write into, with what it is for and a button; errors come below it.
export function asked(name, doing, act, { value = "", key = `models.${name}`, type = "text", picks = [] } = {}) {
  const id = `${key.replaceAll(".", "-")}-field`;
  const field = h("input", { type, id, value, autocomplete: "off", spellcheck: "false", "aria-describedby": `${id}-text` });
  const trouble = h("div", {});
  const go = async (event) => {
    event.preventDefault();
    replace(trouble);
    if (type !== "password" && !field.value.trim()) return field.focus();
    try {
      const done = await act(field.value);
      if (done) field.value = value;
    } catch (error) {
      errorBelow(trouble, error);
    }
  };
  return h("form", { class: "asked", onsubmit: go },
    h("label", { for: id }, t(key)),
    h("p", { class: "hint", id: `${id}-text` }, t(`${key}.text`)),
    h("div", { class: "row" }, field, h("button", { type: "submit", class: "easel-button" }, t(doing)), pickers(field, picks)),
    trouble);
}

// In the window, the system's own dialogs fill the field; a browser has none, and the path is written.
export function pickers(field, picks) {
  const place = h("span", { class: "row" });
  const pick = async (what) => {
    const { path } = await post("/models/pick", { what });
    if (!path) return;
    field.value = path;
    field.form.requestSubmit();
  };
  const fill = ({ available }) => replace(place, available ? picks.map((what) => button(t(`models.pick.${what}`), () => pick(what).catch((error) => toast(error.message)))) : []);
  if (picks.length) get("/models/pick").then(fill).catch(() => {});
  return place;
}

// Folders and the token

function folders() {
  const place = h("div", {});
  const section = h("section", { "aria-label": t("models.folders") }, h("h3", {}, t("models.folders")), h("p", { class: "hint" }, t("models.folders.text")), place);
  folderRows(place, () => refresh().catch(() => {}));
  return section;
}

function token() {
  const keep = async (value) => {
    const { host } = await post("/token", { token: value });
    toast(t("models.token.kept", { host }));
    return true;
  };
  const section = h("section", { "aria-label": t("models.hub") }, asked("token", "models.token.do", keep, { type: "password" }));
  const change = async (address) => {
    const found = await post("/hub", { address });
    toast(t("models.hub.kept", found));
  };
  get("/hub").then(({ address }) => section.append(asked("hub", "models.hub.do", change, { value: address }))).catch(() => {});
  return section;
}
