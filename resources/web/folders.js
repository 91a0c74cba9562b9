// Folders with models: those that are used, those of other programs that were found, and where new ones go.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import { errorBelow } from "./downloads.js";
import { pickers } from "./models.js";

export function folderRows(place, changed) {
  const trouble = h("div", {});
  const list = h("div", {});
  const send = async (data) => {
    replace(trouble);
    try {
      draw(await post("/models/folders", data));
      changed();
      return true;
    } catch (error) {
      errorBelow(trouble, error);
      return false;
    }
  };
  const draw = (found) => replace(list,
    h("ul", { class: "folders" }, found.folders.map((folder) => h("li", {},
      h("span", { class: "path" }, folder.program ? `${folder.program}: ` : "", folder.path, folder.there ? "" : ` (${t("models.folders.missing")})`),
      folder.removable ? button(t("models.folders.remove", { path: folder.path }), () => send({ remove: folder.path }), { image: "close", quiet: true }) : null))),
    found.elsewhere.length ? h("h4", {}, t("models.folders.found")) : null,
    found.elsewhere.length ? h("ul", { class: "folders" }, found.elsewhere.map((each) => h("li", {},
      h("span", { class: "path" }, `${each.program}: ${each.path}`),
      button(t("models.folders.use"), () => send({ add: [each.path] }))))) : null,
    line("models-folder-add", t("models.folders.add"), t("models.folders.add.do"), "", (path) => send({ add: [path] })),
    line("models-folder-new", `${t("models.folders.new")} (${t("models.folders.free", found.new)})`, t("models.folders.new.do"), found.new.path, (path) => send({ new: path })));
  place.append(list, trouble);
  get("/models/folders").then(draw).catch((error) => errorBelow(trouble, error));
}

export function line(id, label, doing, value, act) {
  const field = h("input", { type: "text", id, value, autocomplete: "off", spellcheck: "false" });
  const go = (event) => {
    event.preventDefault();
    act(field.value);
  };
  return h("form", { class: "asked", onsubmit: go },
    h("label", { for: id }, label),
    h("div", { class: "row" }, field, h("button", { type: "submit", class: "easel-button" }, doing), pickers(field, ["folder"])));
}
