// The form is Gradio's. Changes that come from elsewhere go to the server's draft, and the form is then shown anew.

import { post } from "./api.js";
import { problem } from "./notice.js";
import { kept } from "./typing.js";

export const control = (tab, name) => document.querySelector(`#${tab}-${name}`);
export const field = (tab, name) => control(tab, name)?.querySelector("textarea, input") ?? null;

export const chosenTask = (tab) => control(tab, "task")?.querySelector("input:checked")?.value ?? "";

export function currentTab() {
  const open = document.querySelector('#tabs [role="tab"][aria-selected="true"]');
  return open?.id.replace(/^tab-|-button$/g, "") ?? "image";
}

export function openTab(name) {
  document.querySelector(`#tab-${name}-button`)?.click();
}

export const generationTab = () => (currentTab() === "video" ? "video" : "image");

// Apply an action to a draft, show the form anew, and go to its tab. Returns the tab, or null when it was refused.
export async function change(tab, action) {
  return (await changed(tab, action))?.found ?? null;
}

// The tab, and a promise of the moment when its form shows the change.
async function changed(tab, action) {
  try {
    await kept();
    const { tab: found } = await post(`/drafts/${tab}`, action);
    const bridge = window.easelBridges?.[found]; // there is none where no model can do anything
    const shown = bridge && shownAnew(found);
    bridge?.("click", {});
    openTab(found);
    return { found, shown };
  } catch (error) {
    problem(tab, error);
    return null;
  }
}

const shownAnew = (tab) => new Promise((done) => {
  const heard = (event) => {
    if (event.detail !== tab) return;
    removeEventListener("easel-form", heard);
    setTimeout(done); // Gradio puts the values into the form in this turn
  };
  addEventListener("easel-form", heard);
});

export function press(tab, name) {
  const found = document.querySelector(`#${tab}-${name}`);
  if (found && !found.disabled) found.click();
}

// Generate, unless something of this tab runs already: then the wish waits its turn.
export function generate(tab) {
  press(tab, document.body.classList.contains("busy") ? "queue" : "generate");
}

// What is pressed before the form shows the change would send the old wish.
export async function changeAndGenerate(tab, action) {
  const done = await changed(tab, action);
  if (!done) return;
  await done.shown;
  generate(done.found);
}
