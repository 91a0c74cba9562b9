// A picture that is dropped or pasted anywhere: its settings, itself as input, or both.

import { h, button, dialog } from "./dom.js";
import { t } from "./words.js";
import { send } from "./api.js";
import { change, generationTab } from "./form.js";
import { problem } from "./notice.js";

const files = (transfer) => [...(transfer?.files ?? [])];

export function watchDrops() {
  addEventListener("dragover", (event) => {
    if (event.dataTransfer?.types.includes("Files") && !ownPlace(event)) event.preventDefault();
  });
  addEventListener("drop", (event) => {
    if (ownPlace(event) || !files(event.dataTransfer).length) return;
    event.preventDefault();
    take(files(event.dataTransfer)[0]);
  });
  addEventListener("paste", (event) => {
    const pasted = files(event.clipboardData).find((file) => file.type.startsWith("image/"));
    if (!pasted || ownPlace(event)) return;
    event.preventDefault();
    take(pasted);
  });
}

// Where a Gradio component takes files itself, what is dropped is meant for it.
const ownPlace = (event) => event.target.closest?.("[data-testid='image'], .image-container, [id$='-canvas'], [id$='-picture'], [id$='-film']");

export async function take(file) {
  const tab = generationTab();
  try {
    ask(tab, file, await send("/drop", file));
  } catch (error) {
    problem(tab, error);
  }
}

function ask(tab, file, found) {
  const act = (what, close) => () => {
    close();
    change(tab, { action: "use", reference: found.reference, what });
  };
  const told = Object.entries(found.settings).map(([name, value]) => `${t(`drop.${name}`)}: ${value}`);
  dialog(t("drop.title"), (close) => [
    h(found.video ? "video" : "img", { class: "dropped", src: URL.createObjectURL(file), alt: file.name, controls: found.video || null }),
    h("p", {}, found.usable ? t(`drop.kind.${found.kind}`) : t(found.video ? "drop.kind.video" : "drop.kind.plain"), ` ${found.width} × ${found.height}`),
    told.map((text) => h("p", { class: "prompt" }, text)),
    h("div", { class: "row" },
      found.usable ? button(t("drop.settings"), act("settings", close), { kind: "primary" }) : null,
      found.video ? films(act, close) : pictures(found, act, close),
      button(t("cancel"), close)),
  ]);
}

const pictures = (found, act, close) => [
  button(t("drop.input"), act("input", close), { kind: found.usable ? "" : "primary" }),
  found.usable ? button(t("drop.both"), act("both", close)) : null,
  button(t("picture.inpaint"), act("inpaint", close)),
];

const films = (act, close) => [
  button(t("drop.extend"), act("extend", close)),
  button(t("drop.film"), act("film", close)),
  button(t("video.last-frame"), act("last-frame", close)),
];
