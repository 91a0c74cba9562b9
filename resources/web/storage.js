// In the settings: where things lie, how much room they take, and a button for what is made again by itself.

import { h, button, replace } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import { toast } from "./notice.js";

export function makeStorage(element) {
  const table = h("table", { class: "rooms" });
  const load = async () => {
    const { rooms } = await get("/storage");
    replace(table, h("tbody", {}, rooms.map(row)));
  };
  const clear = async () => {
    toast((await post("/storage/clear")).said);
    await load();
  };
  const tell = (error) => toast(String(error.message));
  element.append(table, h("p", {}, button(t("storage.clear"), () => clear().catch(tell))));
  // The tab's first sight is soon enough: a large folder takes a moment to be counted.
  new IntersectionObserver((seen) => seen.some((each) => each.isIntersecting) && load().catch(tell)).observe(element);
}

const row = (room) =>
  h("tr", {}, h("th", { scope: "row" }, room.name), h("td", {}, room.used), h("td", { class: "kind" }, room.free), h("td", { class: "kind" }, room.path));
