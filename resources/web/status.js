// The line at the foot: device with its free memory, the queue, Stop.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import * as feed from "./feed.js";

const EVERY = 15_000; // milliseconds between two looks at the free memory

export function makeStatus(element) {
  const device = h("span", { class: "device" });
  const work = h("span", { class: "work", role: "status" });
  const stop = button(t("form.stop"), stopRunning, { kind: "stop" });
  element.classList.add("status");
  element.append(device, work, stop);
  const look = async () => {
    if (document.hidden) return;
    device.textContent = (await get("/status").catch(() => ({ device: "" }))).device;
  };
  look();
  setInterval(look, EVERY);
  const draw = () => {
    work.textContent = summary();
    stop.hidden = !feed.running();
  };
  draw();
  feed.listen((what) => what !== "progress" && draw());
}

function summary() {
  if (!feed.connection.open) return t("status.lost");
  const count = feed.waiting().length;
  const words = [feed.running() ? t("status.running") : t("status.idle")];
  if (count) words.push(t("status.waiting", { count }));
  if (feed.queue.paused) words.push(t("status.paused"));
  return words.join(", ");
}

export const stopRunning = () => post("/stop").catch(() => {});

// Generate gives way to Stop while a job of the tab runs; the body's class says so to the style sheet.
export function markBusy() {
  const mark = () => {
    const found = feed.running();
    document.body.classList.toggle("busy", Boolean(found));
  };
  mark();
  feed.listen((what) => what !== "progress" && mark());
}
