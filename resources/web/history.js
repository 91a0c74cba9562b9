// History: every picture by day; search, filters, favourites, compare, and back into the form.

import { h, button, replace, dialog } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import * as feed from "./feed.js";
import { actions, picture, reuse, isVideo } from "./pictures.js";
import { problem } from "./notice.js";
import { historyFolders } from "./history_folders.js";
import { comparison } from "./compare.js";

const TASKS = ["text-to-image", "image-to-image", "inpaint", "text-to-video", "image-to-video", "video-to-video", "extend-video"];
const TYPING = 250; // milliseconds of quiet before a search is sent

export function makeHistory(element) {
  new History(element).start();
}

class History {
  constructor(element) {
    this.element = element;
    this.asked = { text: "", task: "", model: "", favourites: false, lora: "", board: "", since: "", until: "", seed: "" };
    this.pictures = [];
    this.turn = 0; // of the newest question
    this.compared = [];
    this.days = new Map();
  }

  async start() {
    this.element.classList.add("history-tab");
    this.list = h("div", { class: "days" });
    this.bar = h("div", { class: "row compare" });
    this.more = button(t("history.more"), () => this.load(true));
    this.element.append(this.filters(), this.bar, this.list, this.more, historyFolders(() => this.load()));
    await this.load();
    feed.listen((what, data) => {
      if (what === "trashed" || (what === "job" && data.state === "succeeded")) this.load();
    });
  }

  filters() {
    let timer = 0;
    const typed = () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.ask({ text: search.value, seed: seed.value.trim() }), TYPING);
    };
    const search = h("input", {
      type: "search", id: "history-search", placeholder: t("history.search"), "aria-label": t("history.search"),
      oninput: typed,
    });
    const seed = h("input", {
      type: "search", inputmode: "numeric", id: "history-seed", size: 11, placeholder: t("history.seed"), "aria-label": t("history.seed"),
      oninput: typed,
    });
    const task = this.choice("task", t("history.all-tasks"), TASKS.map((name) => [name, t(`task.${name}`)]));
    this.model = this.choice("model", t("history.all-models"), []);
    this.lora = this.choice("lora", t("history.all-loras"), []);
    this.board = this.choice("board", t("history.all-boards"), []);
    const day = (name) => h("label", { class: "check" }, t(`history.${name}`), h("input", {
      type: "date", onchange: (event) => this.ask({ [name]: event.target.value }) }));
    const favourites = h("input", { type: "checkbox", id: "history-favourites", onchange: () => this.ask({ favourites: favourites.checked }) });
    return h(
      "div",
      { class: "row filters", role: "search" },
      search, seed, task, this.model, this.lora, this.board, day("since"), day("until"),
      h("label", { class: "check" }, favourites, t("history.favourites")),
      button(t("history.export"), () => this.export(), { image: "download", quiet: true }),
      button(t("history.rebuild"), () => this.rebuild(), { image: "reload", quiet: true }),
    );
  }

  choice(name, all, options) {
    const entries = [["", all], ...options].map(([value, text]) => h("option", { value }, text));
    const select = h("select", { "aria-label": all, onchange: () => this.ask({ [name]: select.value }) }, entries);
    return select;
  }

  ask(change) {
    Object.assign(this.asked, change);
    this.load();
  }

  async load(more = false) {
    const asked = new URLSearchParams({ ...this.asked, favourites: String(this.asked.favourites) });
    if (more && this.pictures.length) asked.set("before", String(this.pictures.at(-1).created));
    const turn = ++this.turn;
    try {
      const [found, filters] = await Promise.all([get(`/history?${asked}`), get("/history/filters")]);
      if (turn !== this.turn) return; // an answer to an older question, which took longer
      this.pictures = more ? [...this.pictures, ...found.pictures] : found.pictures;
      this.days = new Map(filters.days.map((each) => [each.day, each.title]));
      this.fill(this.model, filters.models);
      this.fill(this.lora, filters.loras);
      this.fill(this.board, filters.boards);
      this.more.hidden = !found.more;
      // A picture that is drawn anew while it is clicked loses the click: only what differs is drawn.
      const shown = JSON.stringify([this.pictures, filters.days, this.asked]);
      if (shown !== this.shown) this.draw();
      this.shown = shown;
    } catch (error) {
      problem("image", error);
    }
  }

  // A filter with nothing to choose from is not shown.
  fill(select, names) {
    const value = select.value;
    replace(select, select.options[0], names.map((name) => h("option", { value: name }, name)));
    select.value = names.includes(value) ? value : "";
    select.hidden = !names.length;
  }

  draw() {
    const byDay = Map.groupBy(this.pictures, (each) => dayOf(each.created));
    const sections = [...byDay].map(([day, pictures]) => h(
      "section",
      { "aria-label": this.days.get(day) ?? day },
      h("h3", {}, this.days.get(day) ?? day),
      h("div", { class: "grid" }, pictures.map((each) => this.tile(each))),
    ));
    replace(this.list, sections.length ? sections : this.empty());
    this.drawCompare();
  }

  empty() {
    const filtered = Object.values(this.asked).some(Boolean);
    const name = filtered ? "history.none-found" : "history.empty";
    return h("div", { class: "empty" }, h("h2", {}, t(name)), h("p", {}, t(`${name}.text`)));
  }

  tile(each) {
    const on = this.compared.some((other) => other.picture === each.picture);
    return h(
      "figure",
      { class: `tile ${each.favourite ? "favourite" : ""}` },
      h("button", { type: "button", title: each.prompt, "aria-label": t("history.open", { prompt: each.prompt || each.name }), onclick: () => this.open(each) },
        h("img", { src: each.thumbnail, alt: "", loading: "lazy" }),
        isVideo(each) ? h("span", { class: "badge" }, "▶") : null),
      button(t("history.compare"), () => this.compare(each), { image: "compare", quiet: true, pressed: on }),
    );
  }

  open(each) {
    const element = dialog(each.prompt.slice(0, 80) || each.name, (close) => [
      h("div", { class: "canvas" }, picture(each, each.prompt)),
      actions("image", each, { favourite: each.favourite, onChange: () => { close(); this.load(); } }),
      h("p", { class: "facts" }, facts(each)),
      h("p", { class: "prompt" }, each.prompt),
      each.negative ? h("p", { class: "prompt" }, `${t("form.negative")}: ${each.negative}`) : null,
      each.replay ? reuse("image", each) : h("p", { class: "note" }, t("history.no-settings")),
      this.boardRow(each, () => close()),
      button(t("close"), close),
    ], "wide");
    element.addEventListener("click", (event) => {
      // Whatever takes the picture into a form shows that form: the dialog must not stand before it.
      if (event.target.closest(".row button") && !event.target.closest("[aria-pressed]")) setTimeout(() => element.close(), 50);
    });
  }

  // A board's name, an old one or a new one; on a board the picture can be taken off it.
  boardRow(each, close) {
    const names = [...this.board.options].map((option) => option.value).filter(Boolean);
    const list = h("datalist", { id: "boards" }, names.map((value) => h("option", { value })));
    const name = h("input", { type: "text", list: "boards", placeholder: t("board.name"), "aria-label": t("board.name") });
    const put = (board, remove) => async () => {
      if (!board()) return name.focus();
      try {
        await post("/boards", { board: board(), pictures: [each.picture], remove });
        close();
        await this.load();
      } catch (error) {
        problem("image", error);
      }
    };
    return h("div", { class: "row" }, list, name,
      button(t("board.put"), put(() => name.value.trim(), false)),
      this.asked.board ? button(t("board.remove", { board: this.asked.board }), put(() => this.asked.board, true)) : null);
  }

  async export() {
    try {
      const found = await post("/history/export", { pictures: this.pictures.map((each) => each.picture) });
      h("a", { href: found.url, download: found.name }).click();
    } catch (error) {
      problem("image", error);
    }
  }

  compare(each) {
    const others = this.compared.filter((other) => other.picture !== each.picture);
    this.compared = others.length < this.compared.length ? others : [...others, each].slice(-2);
    this.draw();
  }

  drawCompare() {
    if (!this.compared.length) return replace(this.bar);
    const ready = this.compared.length === 2;
    replace(
      this.bar,
      h("span", {}, t("history.compare-count", { count: this.compared.length })),
      ready ? button(t("history.compare-both"), () => compareDialog(...this.compared), { kind: "primary" }) : null,
      button(t("cancel"), () => { this.compared = []; this.draw(); }),
    );
  }

  async rebuild() {
    try {
      await post("/history/rebuild");
      await this.load();
    } catch (error) {
      problem("image", error);
    }
  }
}

function compareDialog(left, right) {
  if (isVideo(left) || isVideo(right)) return compareFilms(left, right);
  const why = h("ul", { class: "why" });
  dialog(t("history.compare-both"), (close) => [
    comparison({ url: left.url, alt: left.prompt }, { url: right.url, alt: right.prompt }),
    differences(left, right),
    why,
    button(t("close"), close),
  ], "wide");
  explain(left, right, why);
}

// Films side by side: they run, so none can be cut into the other.
function compareFilms(left, right) {
  const why = h("ul", { class: "why" });
  dialog(t("history.compare-both"), (close) => [
    h("div", { class: "side-by-side" }, picture(left, left.prompt), picture(right, right.prompt)),
    differences(left, right),
    why,
    button(t("close"), close),
  ], "wide");
  explain(left, right, why);
}

function differences(left, right) {
  const differing = ["prompt", "negative", "seed", "model", "task", "width", "height"].filter((name) => left[name] !== right[name]);
  if (!differing.length) return h("p", {}, t("history.same"));
  return h("table", {}, h("tbody", {}, differing.map((name) =>
    h("tr", {}, h("th", { scope: "row" }, t(`compare.${name}`)), h("td", {}, String(left[name])), h("td", {}, String(right[name]))))));
}

function explain(left, right, why) {
  get(`/history/why?first=${left.picture}&second=${right.picture}`)
    .then(({ sentences }) => replace(why, sentences.map((sentence) => h("li", {}, sentence))))
    .catch(() => {});
}

const facts = (each) => [new Date(each.created * 1000).toLocaleString(), each.model, `${each.width} × ${each.height}`, t("stage.seed", { seed: each.seed })].join(" · ");

function dayOf(seconds) {
  const date = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
