// Other programs' pictures in the history: their folders, listed where they are.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import { errorBelow } from "./downloads.js";
import { line } from "./folders.js";

export function historyFolders(changed) {
  const trouble = h("div", {});
  const said = h("p", { role: "status" });
  const list = h("ul", { class: "folders" });
  const send = async (data) => {
    replace(trouble);
    replace(said, data.add ? t("history.folders.reading") : "");
    try {
      const found = await post("/history/folders", data);
      draw(found);
      replace(said, data.add ? t("history.folders.read", { count: found.pictures }) : "");
      changed();
    } catch (error) {
      replace(said);
      errorBelow(trouble, error);
    }
  };
  const draw = (found) => replace(list, found.folders.map((folder) => h("li", {},
    h("span", { class: "path" }, folder.path, folder.there ? "" : ` (${t("models.folders.missing")})`),
    button(t("models.folders.remove", { path: folder.path }), () => send({ remove: folder.path }), { image: "close", quiet: true }))));
  get("/history/folders").then(draw).catch((error) => errorBelow(trouble, error));
  return h("details", { class: "history-folders" },
    h("summary", {}, t("history.folders")),
    h("p", { class: "hint" }, t("history.folders.text")),
    list,
    line("history-folder-add", t("models.folders.add"), t("models.folders.add.do"), "", (path) => send({ add: path })),
    said, trouble);
}
