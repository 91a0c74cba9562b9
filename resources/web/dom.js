// Making elements: h("button", {class: "x", onclick}, "text", child). Text is always text, never markup.

export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "dataset") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// Icons are masks, so that they take the colour of the text beside them. The name is one of resources/icons.
export function icon(name) {
  return h("span", { class: "easel-icon", style: `--icon: url(/easel/icons/${name}.svg)`, "aria-hidden": "true" });
}

// A button with an icon and a word. Where the word is not shown it is still read out.
export function button(label, action, { image = null, quiet = false, kind = "", pressed = null } = {}) {
  return h(
    "button",
    {
      type: "button",
      class: `easel-button ${kind} ${quiet ? "quiet" : ""}`,
      title: quiet ? label : null,
      "aria-label": quiet ? label : null,
      "aria-pressed": pressed === null ? null : String(pressed),
      onclick: action,
    },
    image ? icon(image) : null,
    quiet ? null : label,
  );
}

export function replace(element, ...children) {
  element.replaceChildren(...children.flat(Infinity).filter(Boolean));
}

// A dialog that the keyboard can leave, and that is gone when it is closed.
export function dialog(title, build, kind = "") {
  const element = h("dialog", { class: `easel-dialog ${kind}`, "aria-label": title });
  const close = () => element.close();
  element.addEventListener("close", () => element.remove());
  element.append(h("h2", {}, title), ...[build(close)].flat(Infinity).filter(Boolean));
  document.body.append(element);
  element.showModal();
  return element;
}
