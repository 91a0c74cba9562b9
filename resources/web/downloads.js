// Downloads: a row each with bytes, speed and time left, and what can be done; the dialog before one begins.

import { h, button, replace, dialog } from "./dom.js";
import { t } from "./words.js";
import { post } from "./api.js";
import * as feed from "./feed.js";
import { cardElement, problem, toast } from "./notice.js";
import { Refused } from "./api.js";

// A row that is kept and changed, so that a button under the pointer or the keyboard stays the same button.
export function downloadRow(id, { onUse = null } = {}) {
  const title = h("h4", {});
  const bar = h("progress", { max: "1" });
  const text = h("p", { class: "text" });
  const buttons = h("div", { class: "row" });
  const trouble = h("div", {});
  const row = h("article", { class: "download", dataset: { download: id } }, title, bar, text, trouble, buttons);
  let drawn = "";
  const draw = () => {
    const view = feed.download(id);
    if (!view) return row.remove();
    title.textContent = view.title;
    bar.value = view.state === "done" ? 1 : view.part;
    bar.setAttribute("aria-label", t("download.label", { title: view.title }));
    text.textContent = view.text;
    const state = `${view.state} ${view.elsewhere} ${view.model}`;
    if (state === drawn) return;
    drawn = state;
    bar.hidden = view.state === "done";
    replace(trouble, view.error ? cardElement("image", view.error, null) : null);
    replace(buttons, actions(view, onUse));
  };
  row.draw = draw;
  draw();
  return row;
}

function actions(view, onUse) {
  const act = (action) => () => post(`/downloads/${view.id}/${action}`).catch((error) => problem("image", error));
  if (view.elsewhere) return [];
  const found = [];
  if (["running", "waiting"].includes(view.state)) found.push(button(t("download.pause"), act("pause")));
  if (["paused", "failed"].includes(view.state)) found.push(button(t("download.resume"), act("resume"), { kind: "primary" }));
  if (view.state === "done" && view.model && onUse) found.push(button(t("models.use"), () => onUse(view), { kind: "primary" }));
  found.push(button(t(view.state === "done" ? "download.forget" : "download.cancel"), act("cancel")));
  return found;
}

// A list that follows the feed: new rows come, gone ones leave, the others change in place.
export function downloadList(element, options = {}) {
  const rows = new Map();
  const draw = () => {
    const shown = feed.allDownloads().filter((view) => !options.only || options.only(view));
    for (const view of shown) {
      if (!rows.get(view.id)?.isConnected) {
        rows.set(view.id, downloadRow(view.id, options));
        element.append(rows.get(view.id));
      } else rows.get(view.id).draw();
    }
    for (const [id, row] of rows) {
      if (shown.some((view) => view.id === id)) continue;
      row.remove();
      rows.delete(id);
    }
    options.onChange?.(shown);
  };
  draw();
  const forget = feed.listen((what) => {
    if (!["download", "snapshot"].includes(what)) return;
    if (!document.body.contains(element)) return forget();
    draw();
  });
}

// Look up what would come, say it with the licence, and fetch it when the person wants that.
export async function confirmDownload(wish) {
  const waiting = toastWhile(t("download.asking"));
  let found;
  try {
    found = await post("/downloads/look-up", wish);
  } finally {
    waiting.remove();
  }
  return new Promise((done) => {
    const begin = (close) => async () => {
      close();
      try {
        done(await post("/downloads", wish));
      } catch (error) {
        problem("image", error);
        done(null);
      }
    };
    const shown = dialog(t("download.title", { title: found.title }), (close) => [
      h("p", {}, t("download.facts", found)),
      h("p", {}, t("licence.label", { licence: found.licence })),
      licenceLink(found.licence_address),
      h("p", { class: "kind" }, found.source),
      h("div", { class: "row" },
        button(t("download.start"), begin(close), { kind: "primary" }),
        button(t("cancel"), close)),
    ]);
    shown.addEventListener("close", () => done(null));
  });
}

// The page leaves this computer for nothing: the address is shown and copied, and opened by the person.
export function licenceLink(address) {
  if (!address?.startsWith("https://")) return null;
  return h("p", {}, h("a", { href: address, target: "_blank", rel: "noreferrer noopener" }, t("licence.read")));
}

function toastWhile(text) {
  const element = h("div", { class: "toast", role: "status" }, text);
  document.body.append(element);
  return element;
}

// An error where it happened: below the button that was pressed.
export function errorBelow(place, error) {
  if (!(error instanceof Refused)) return problem("image", error);
  replace(place, cardElement("image", error.card, null));
  place.firstElementChild.scrollIntoView({ block: "nearest" });
}

export { toast };
