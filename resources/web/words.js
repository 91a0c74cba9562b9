// The words of the page in the person's language; the server has them.

import { get } from "./api.js";

let texts = {};

export async function loadWords() {
  ({ texts } = await get("/texts"));
}

export function t(key, numbers = {}) {
  const text = texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in numbers ? numbers[name] : whole));
}
