// Errors as cards: what, why with numbers, buttons that do something about it, details to copy.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { Refused, post } from "./api.js";
import { change, field, control, openTab, generate } from "./form.js";

const places = new Map(); // tab -> the element below the buttons of its form
const commands = {};

// What a button of a card can do besides changing the form: "report", "outputs".
export function addCommand(name, run) {
  commands[name] = run;
}

export function makeNoticePlace(element, tab) {
  element.setAttribute("aria-live", "assertive");
  places.set(tab, element);
}

export function clearNotice(tab) {
  const element = places.get(tab);
  if (element) replace(element);
}

// What a handler of the form said: nothing, a job that was accepted, or an error.
export function formNotice(tab, value) {
  const data = value ? JSON.parse(value) : {};
  if (data.error) show(tab, data.error);
  else clearNotice(tab);
}

export function problem(tab, error) {
  const unknown = { code: "page", title: t("page.problem"), cause: String(error), fixes: [t("page.reload")], buttons: [] };
  show(tab, error instanceof Refused ? error.card : unknown);
}

// A card in the tab's form; where the form is not seen, its words in passing too.
export function show(tab, card) {
  const element = places.get(tab) ?? places.get("image");
  if (!element) return toast(`${card.title} ${card.cause}`);
  replace(element, cardElement(tab, card, null));
  if (document.body.contains(element)) element.scrollIntoView({ block: "nearest" });
  if (!element.offsetParent) toast(`${card.title} ${card.cause}`);
}

export function cardElement(tab, card, jobId) {
  const buttons = card.buttons.map((each) =>
    button(each.label, () => act(tab, each, jobId), { kind: "primary" }),
  );
  const copied = button(t("notice.copy"), () => copyText(details(card)), { quiet: false });
  const fixes = card.fixes.length ? h("ul", {}, card.fixes.map((fix) => h("li", {}, fix))) : null;
  return h(
    "div",
    { class: "card error", role: "alert" },
    h("h3", {}, card.title),
    h("p", {}, card.cause),
    fixes,
    h("div", { class: "row" }, ...buttons, copied),
    h("p", { class: "code" }, card.code),
  );
}

const details = (card) => [card.code, card.title, card.cause, ...card.fixes, card.details].filter(Boolean).join("\n");

async function act(tab, each, jobId) {
  clearNotice(tab);
  if (each.action === "set") return change(tab, { action: "set", values: each.values });
  if (each.action === "open") return openTab(each.target);
  if (each.action === "resume" && jobId) return post(`/jobs/${jobId}/resume`).catch((error) => problem(tab, error));
  if (each.action === "retry" || each.action === "resume") return generate(tab);
  if (each.action === "focus") return focus(tab, each.target);
  return commands[each.action]?.();
}

function focus(tab, target) {
  const shown = [control(tab, "canvas"), control(tab, "picture")].find((element) => element?.offsetParent);
  const place = target === "prompt" ? field(tab, "prompt") : (shown?.querySelector("button, input") ?? shown);
  place?.focus();
  place?.scrollIntoView({ block: "center" });
}

export async function copyText(text) {
  await navigator.clipboard.writeText(text);
  toast(t("notice.copied"));
}

// A word in passing; it never holds anything that is needed.
export function toast(text) {
  const element = h("div", { class: "toast", role: "status" }, text);
  document.body.append(element);
  setTimeout(() => element.remove(), 4000);
}
