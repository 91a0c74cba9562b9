// The page's script: fills the places that Gradio leaves for it, and connects them with what goes on in Easel.

import { post } from "./api.js";
import { loadWords, t } from "./words.js";
import * as feed from "./feed.js";
import { place, watchPlaces } from "./mounts.js";
import { change, currentTab, field, generate, generationTab, openTab } from "./form.js";
import { addCommand, clearNotice, formNotice, makeNoticePlace, show as showCard } from "./notice.js";
import { makeStage } from "./stage.js";
import { makeStrip } from "./strip.js";
import { makeStatus, markBusy, stopRunning } from "./status.js";
import { makePresetRow, makePresetsTab } from "./presets.js";
import { makeHistory } from "./history.js";
import { makeModelsTab, showModels } from "./models.js";
import { startWizard } from "./wizard.js";
import { makeStorage } from "./storage.js";
import { openReport } from "./report.js";
import { countTokens } from "./tokens.js";
import { keepTyping } from "./typing.js";
import { makeGridButton, watchGrids } from "./grid.js";
import { watchDrops } from "./drop.js";

// What the window's menu and buttons anywhere on the page can ask for.
const commands = {
  report: openReport,
  outputs: () => post("/outputs/show").catch(() => {}),
  stop: stopRunning,
  about: () => openTab("settings"),
  "models-image": () => showModels("image"),
  "models-video": () => showModels("video"),
  async new() {
    openTab("image");
    await change("image", { action: "new" });
    field("image", "prompt")?.focus();
  },
};

function watchKeys() {
  addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      const tab = currentTab();
      if (tab !== "image" && tab !== "video") return;
      event.preventDefault();
      generate(tab);
    }
    const dialogOpen = document.querySelector("dialog[open]");
    const inList = event.target.closest?.("[role='listbox'], [aria-expanded='true']");
    if (event.key === "Escape" && !dialogOpen && !inList && feed.running()) stopRunning();
  }, true);
  addEventListener("click", (event) => {
    const command = event.target.closest?.("[data-command]")?.dataset.command;
    if (command) commands[command]?.();
    const stop = event.target.closest?.("#image-stop, #video-stop");
    if (stop) stopRunning();
  });
}

window.easel = {
  notice: formNotice,
  tell: ({ error }) => showCard(generationTab(), error),
  run: (name) => commands[name]?.(),
  clearNotice,
};

async function start() {
  await loadWords();
  addCommand("report", openReport);
  addCommand("outputs", commands.outputs);
  place("stage", makeStage);
  place("strip", makeStrip);
  place("status", makeStatus);
  place("notice", makeNoticePlace);
  place("presets", (element, tab) => (tab ? makePresetRow(element, tab) : makePresetsTab(element)));
  place("models", makeModelsTab);
  place("history", makeHistory);
  place("grid", makeGridButton);
  place("storage", makeStorage);
  watchPlaces();
  watchKeys();
  watchDrops();
  countTokens();
  keepTyping();
  watchGrids();
  markBusy();
  feed.connect();
  whenUsable(async () => {
    await feed.known;
    document.documentElement.dataset.easelReady = "";
    post("/loaded").catch(() => {});
    startWizard();
  });
}

// The page is usable when there is a prompt to write into (or the words why there is none); it must know the jobs too.
function whenUsable(tell) {
  const there = () => field(generationTab(), "prompt") ?? document.querySelector('[data-easel="empty"]');
  if (there()) return tell();
  const observer = new MutationObserver(() => {
    if (!there()) return;
    observer.disconnect();
    tell();
  });
  observer.observe(document.body, { childList: true, subtree: true });
}

start();
