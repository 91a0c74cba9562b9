// Two pictures in one place, and a slider that says how much of each is seen.

import { h, button, dialog } from "./dom.js";
import { t } from "./words.js";

// `left` and `right` are {url, alt}. Both fill the place, whose sides are as `width` to `height`; a cut picture is cut in the middle.
export function comparison(left, right, { width, height } = {}) {
  const upper = h("img", { class: "upper", src: left.url, alt: left.alt });
  const slider = h("input", {
    type: "range", min: "0", max: "100", value: "50", "aria-label": t("history.compare-slider"),
    oninput: () => upper.style.setProperty("--cut", `${slider.value}%`),
  });
  const shape = width ? { class: "comparison shaped", style: `--ratio: ${width / height}` } : { class: "comparison" };
  return [h("div", shape, h("img", { src: right.url, alt: right.alt }), upper), slider];
}

// A picture and the one that it was made from.
export function compareWithBefore(before, file) {
  dialog(t("compare.before-after"), (close) => [
    comparison({ url: before, alt: t("compare.before") }, { url: file.url, alt: t("compare.after") }, file),
    h("div", { class: "row ends" }, h("span", {}, t("compare.before")), h("span", {}, t("compare.after"))),
    button(t("close"), close),
  ], "wide");
}
