// A grid: a picture for each combination of settings. The dialog says what changes; the rest is the form's wish.

import { h, button, dialog } from "./dom.js";
import { get, post } from "./api.js";
import { listen } from "./feed.js";
import { field } from "./form.js";
import { toast } from "./notice.js";
import { t } from "./words.js";

const USUAL = { x: "steps", y: "sampler", z: "" };

export function makeGridButton(element, tab) {
  element.append(button(t("grid.open"), () => openGrid(tab)));
}

export function watchGrids() {
  listen((what, data) => what === "grid" && toast(t("grid.ready", data)));
}

async function openGrid(tab) {
  const { fields } = await get("/grid");
  const rows = Object.keys(USUAL).map((axis) => makeRow(axis, fields));
  const outcome = h("p", { role: "status" });
  dialog(t("grid.title"), (close) => [
    h("p", {}, t("grid.text")),
    rows.map((row) => row.element),
    outcome,
    h("div", { class: "row" },
      button(t("grid.make"), () => send(tab, rows, outcome, close), { kind: "primary" }),
      button(t("close"), close)),
  ], "wide");
}

function makeRow(axis, fields) {
  const id = `grid-${axis}`;
  const choose = h("select", { id: `${id}-field` },
    h("option", { value: "" }, t("grid.nothing")),
    fields.map((each) => h("option", { value: each.name, selected: each.name === USUAL[axis] }, each.label)));
  const values = h("input", { id: `${id}-values`, type: "text", placeholder: t("grid.values"), "aria-label": t("grid.values") });
  const element = h("div", { class: "row" }, h("label", { for: `${id}-field` }, t(`grid.${axis}`)), choose, values);
  const text = () => (choose.value && values.value.trim() ? `${choose.value}=${values.value}` : "");
  return { element, text };
}

async function send(tab, rows, outcome, close) {
  try {
    // The words come from the page itself: the last letters may not have reached the draft.
    const words = { prompt: field(tab, "prompt")?.value, negative: field(tab, "negative")?.value };
    const { jobs } = await post("/grid", { tab, ...words, axes: rows.map((row) => row.text()).filter(Boolean) });
    close();
    toast(t("grid.queued", { count: jobs.length }));
  } catch (error) {
    outcome.textContent = [error.message, error.card?.cause, ...(error.card?.fixes ?? [])].filter(Boolean).join(" ");
  }
}
