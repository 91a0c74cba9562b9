// History: every picture by day; search, filters, favourites, compare, and back into the form.

import { h, button, replace, dialog } from "./dom.js";
import { t } from "./words.js";
import { get, post } from "./api.js";
import * as feed from "./feed.js";
import { actions, picture, reuse, isVideo } from "./pictures.js";
import { problem } from "./notice.js";

const TASKS = ["text-to-image", "image-to-image", "inpaint", "text-to-video", "image-to-video"];
const TYPING = 250; // milliseconds of quiet before a search is sent

export function makeHistory(element) {
  new History(element).start();
}

class History {
  constructor(element) {
    this.element = element;
    this.asked = { text: "", task: "", model: "", favourites: false };
    this.pictures = [];
    this.compared = [];
    this.days = new Map();
  }

  async start() {
    this.element.classList.add("history-tab");
    this.list = h("div", { class: "days" });
    this.bar = h("div", { class: "row compare" });
    this.more = button(t("history.more"), () => this.load(true));
    this.element.append(this.filters(), this.bar, this.list, this.more);
    await this.load();
    feed.listen((what, data) => {
      if (what === "trashed" || (what === "job" && data.state === "succeeded")) this.load();
    });
  }

  filters() {
    let timer = 0;
    const search = h("input", {
      type: "search", id: "history-search", placeholder: t("history.search"), "aria-label": t("history.search"),
      oninput: () => { clearTimeout(timer); timer = setTimeout(() => this.ask({ text: search.value }), TYPING); },
    });
    const task = this.choice("task", t("history.all-tasks"), TASKS.map((name) => [name, t(`task.${name}`)]));
    this.model = this.choice("model", t("history.all-models"), []);
    const favourites = h("input", { type: "checkbox", id: "history-favourites", onchange: () => this.ask({ favourites: favourites.checked }) });
    return h(
      "div",
      { class: "row filters", role: "search" },
      search, task, this.model,
      h("label", { class: "check" }, favourites, t("history.favourites")),
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
    try {
      const [found, filters] = await Promise.all([get(`/history?${asked}`), get("/history/filters")]);
      this.pictures = more ? [...this.pictures, ...found.pictures] : found.pictures;
      this.days = new Map(filters.days.map((each) => [each.day, each.title]));
      this.fillModels(filters.models);
      this.more.hidden = !found.more;
      this.draw();
    } catch (error) {
      problem("image", error);
    }
  }

  fillModels(models) {
    const value = this.model.value;
    const all = this.model.options[0];
    replace(this.model, all, models.map((name) => h("option", { value: name }, name)));
    this.model.value = value;
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
    const filtered = this.asked.text || this.asked.task || this.asked.model || this.asked.favourites;
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
      button(t("close"), close),
    ], "wide");
    element.addEventListener("click", (event) => {
      // Whatever takes the picture into a form shows that form: the dialog must not stand before it.
      if (event.target.closest(".row button") && !event.target.closest("[aria-pressed]")) setTimeout(() => element.close(), 50);
    });
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
  const upper = h("img", { class: "upper", src: left.url, alt: left.prompt });
  const slider = h("input", {
    type: "range", min: "0", max: "100", value: "50", "aria-label": t("history.compare-slider"),
    oninput: () => upper.style.setProperty("--cut", `${slider.value}%`),
  });
  const differing = ["prompt", "negative", "seed", "model", "task", "width", "height"].filter((name) => left[name] !== right[name]);
  dialog(t("history.compare-both"), (close) => [
    h("div", { class: "comparison" }, h("img", { src: right.url, alt: right.prompt }), upper),
    slider,
    h("table", {}, h("tbody", {}, differing.map((name) =>
      h("tr", {}, h("th", { scope: "row" }, t(`compare.${name}`)), h("td", {}, String(left[name])), h("td", {}, String(right[name])))))),
    differing.length ? null : h("p", {}, t("history.same")),
    button(t("close"), close),
  ], "wide");
}

const facts = (each) => [new Date(each.created * 1000).toLocaleString(), each.model, `${each.width} × ${each.height}`, t("stage.seed", { seed: each.seed })].join(" · ");

function dayOf(seconds) {
  const date = new Date(seconds * 1000);
  const two = (number) => String(number).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}
