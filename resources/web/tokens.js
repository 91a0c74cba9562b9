// How long the prompt is for the model: tokens, of as many as it reads. Counted by the server a moment after typing.

import { post } from "./api.js";
import { t } from "./words.js";

const PAUSE = 250; // milliseconds without a key
const timers = new Map();

export function countTokens() {
  addEventListener("input", (event) => {
    const box = event.target.closest?.("#image-prompt, #video-prompt");
    if (box) later(box, event.target.value);
  });
}

function later(box, text) {
  clearTimeout(timers.get(box.id));
  timers.set(box.id, setTimeout(() => count(box, text), PAUSE));
}

async function count(box, text) {
  const found = text.trim() ? await post("/tokens", { tab: box.id.split("-")[0], text }).catch(() => ({})) : {};
  const known = found.tokens !== undefined;
  box.dataset.count = known ? t("form.tokens", { tokens: found.tokens, room: found.room ?? "?" }) : "";
  box.classList.toggle("cut", Boolean(found.cut));
}
