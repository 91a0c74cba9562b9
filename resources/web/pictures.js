// What can be done with a finished picture, wherever it is shown.

import { h, button } from "./dom.js";
import { t } from "./words.js";
import { post } from "./api.js";
import { change, changeAndGenerate } from "./form.js";
import { problem, toast, copyText } from "./notice.js";

export const isVideo = (file) => file.media.startsWith("video/");

export function picture(file, text) {
  if (isVideo(file)) return film(file, text);
  return h("img", { src: file.url, alt: text, width: file.width, height: file.height, class: small(file) });
}

// A small one runs at once, unless the person wants things to be still: it is over before its button is found.
function film(file, text) {
  const video = h("video", { src: file.url, controls: true, loop: true, "aria-label": text, class: small(file) });
  video.muted = video.autoplay = Boolean(small(file)) && !matchMedia("(prefers-reduced-motion: reduce)").matches;
  return video;
}

// What has few pixels is shown larger than it is, but not over the whole window.
const small = (file) => (Math.max(file.width, file.height) <= 128 ? "small" : null);

const attempt = (tab, run) => async () => {
  try {
    await run();
  } catch (error) {
    problem(tab, error);
  }
};

const use = (tab, file, what) => change(tab, { action: "use", picture: file.picture, what });

export function actions(tab, file, { favourite = false, onChange = () => {} } = {}) {
  const id = file.picture;
  return h(
    "div",
    { class: "row actions", role: "toolbar", "aria-label": t("picture.actions") },
    h("a", { class: "easel-button", href: `${file.url}?download=1`, download: file.name }, t("picture.save")),
    isVideo(file) ? ["mp4", "gif"].map((kind) => saveAs(file, kind)) : null,
    isVideo(file) ? null : button(t("picture.copy"), attempt(tab, () => copyPicture(file))),
    button(t("picture.show"), attempt(tab, () => post(`/pictures/${id}/show`))),
    isVideo(file)
      ? [["video.last-frame", "last-frame"], ["video.extend", "extend"], ["video.redraw", "film"]].map(([name, what]) =>
        button(t(name), () => use(tab, file, what)))
      : button(t("picture.input"), () => use(tab, file, "input")),
    isVideo(file) ? null : button(t("picture.make-video"), () => use(tab, file, "video")),
    isVideo(file) ? null : button(t("picture.inpaint"), () => use(tab, file, "inpaint")),
    isVideo(file) ? null : button(t("picture.extend"), async () => (await use(tab, file, "outpaint")) && toast(t("picture.extend.said"))),
    isVideo(file) ? null : button(t("picture.upscale"), attempt(tab, () => post(`/pictures/${id}/upscale`))),
    isVideo(file) ? null : button(t("picture.redraw"), attempt(tab, () => post(`/pictures/${id}/upscale`, { redrawn: true }))),
    button(t("picture.vary"), () => changeAndGenerate(tab, { action: "use", picture: id, what: "vary" })),
    button(t(favourite ? "picture.unfavourite" : "picture.favourite"), attempt(tab, async () => {
      await post(`/pictures/${id}/favourite`, { favourite: !favourite });
      onChange("favourite");
    }), { image: favourite ? "star-full" : "star", quiet: true, pressed: favourite }),
    button(t("picture.trash"), attempt(tab, async () => {
      await post(`/pictures/${id}/trash`);
      toast(t("picture.trashed"));
      onChange("trash");
    }), { image: "trash", quiet: true }),
  );
}

// The window's browser plays no H.264: files of that kind are for saving.
const saveAs = (file, kind) =>
  h("a", { class: "easel-button", href: `${file.url}/as/${kind}`, download: "" }, t("video.save-as", { kind: kind.toUpperCase() }));

export function reuse(tab, file) {
  return h(
    "div",
    { class: "row" },
    button(t("use.all"), () => use(tab, file, "settings"), { kind: "primary" }),
    button(t("use.prompt"), () => use(tab, file, "prompt")),
    button(t("use.seed"), () => use(tab, file, "seed")),
    button(t("use.copy-seed"), () => copyText(String(file.seed))),
  );
}

async function copyPicture(file) {
  const blob = await (await fetch(file.url)).blob();
  await navigator.clipboard.write([new ClipboardItem({ [blob.type]: blob })]);
  toast(t("notice.copied"));
}
