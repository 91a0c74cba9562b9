// The line at the foot: device with its free memory, the queue, Stop.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import { show as showCard } from "./notice.js";
import * as feed from "./feed.js";

const EVERY = 15_000; // milliseconds between two looks at the free memory

export function makeStatus(element) {
  const device = h("span", { class: "device" });
  const model = h("span", { class: "model" });
  const work = h("span", { class: "work", role: "status" });
  const stop = button(t("form.stop"), stopRunning, { kind: "stop" });
  element.classList.add("status");
  element.append(device, model, work, stop);
  let usual = "";
  const told = new Set(); // what does not work since the start is said once, not every quarter of a minute
  const draw = () => {
    work.textContent = summary();
    model.textContent = (feed.running() ?? feed.allJobs().at(-1))?.model ?? usual;
    stop.hidden = !feed.running();
  };
  const look = async () => {
    if (document.hidden) return;
    const found = await get("/status").catch(() => null);
    device.textContent = found?.device ?? "";
    usual = found?.model ?? usual;
    const problem = found?.problems.find((each) => !told.has(each.code)); // one card at a time
    if (problem) showCard("image", problem);
    told.add(problem?.code);
    draw();
  };
  look();
  setInterval(look, EVERY);
  feed.listen((what) => !["progress", "download"].includes(what) && draw());
}

function summary() {
  if (!feed.connection.open) return t("status.lost");
  const count = feed.waiting().length;
  const running = feed.running();
  const words = [t(running ? (running.stopping ? "progress.stopping" : "status.running") : "status.idle")];
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
  feed.listen((what) => !["progress", "download"].includes(what) && mark());
}
