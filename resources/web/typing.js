// What stands in the boxes for words is kept a moment after each change, whatever made it: keys, paste, dictation, undo.
// Gradio 6.31 tells the server of printable keys alone.

import { post } from "./api.js";

const PAUSE = 150; // milliseconds without a change
const BOXES = "#image-prompt, #image-negative, #video-prompt, #video-negative";
const FIELDS = { prompt: "prompt", negative: "negative_prompt" };
const waiting = new Map(); // tab -> texts by field
let timer = 0;
let sending = Promise.resolve();

export function keepTyping() {
  addEventListener("input", (event) => {
    const box = event.target.closest?.(BOXES);
    if (!box) return;
    const [tab, name] = box.id.split("-");
    waiting.set(tab, { ...waiting.get(tab), [FIELDS[name]]: event.target.value });
    clearTimeout(timer);
    timer = setTimeout(kept, PAUSE);
  });
  addEventListener("pagehide", () => takeAll().forEach(([tab, values]) => send(tab, values, true)));
}

// Send what waits, each after the one before it; done when the server has it.
export function kept() {
  takeAll().forEach(([tab, values]) => (sending = sending.then(() => send(tab, values))));
  return sending;
}

function takeAll() {
  clearTimeout(timer);
  const all = [...waiting];
  waiting.clear();
  return all;
}

const send = (tab, values, keepalive = false) =>
  post(`/drafts/${tab}`, { action: "set", values }, { keepalive }).catch(() => {});
