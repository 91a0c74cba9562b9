// The debug report: everything in it is shown first, what is unticked stays out, and it is saved, never sent.

import { h, button, dialog, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import { problem } from "./notice.js";

export async function openReport() {
  const { files } = await get("/report").catch((error) => (problem("image", error), { files: null }));
  if (!files) return;
  const ticks = files.map((file) => h("input", { type: "checkbox", checked: true, value: file.name, "aria-label": file.name }));
  const outcome = h("p", { role: "status" });
  const shown = files.map((file, index) => h(
    "div",
    { class: "file" },
    ticks[index],
    h("details", {},
      h("summary", {}, `${file.name} (${t("report.characters", { count: file.text.length })})`),
      h("pre", { tabindex: "0", "aria-label": file.name }, file.text.slice(0, 200_000))),
  ));
  dialog(t("menu.report"), (close) => [
    h("p", {}, t("report.text")),
    h("div", { class: "files" }, shown),
    outcome,
    h("div", { class: "row" },
      button(t("report.save"), () => save(ticks, outcome), { kind: "primary" }),
      button(t("close"), close)),
  ], "wide report");
}

async function save(ticks, outcome) {
  const files = ticks.filter((tick) => tick.checked).map((tick) => tick.value);
  try {
    const { name } = await post("/report", { files });
    const show = button(t("report.show"), () => post("/report/show", { name }).catch((error) => (outcome.textContent = error.message)));
    replace(outcome, t("report.saved", { name }), " ", show);
  } catch (error) {
    outcome.textContent = `${error.message} ${error.card?.cause ?? ""}`;
  }
}
