// Gradio makes the places (elements with data-easel) when their tab is opened; here they get their content.

const makers = new Map();

export function place(name, make) {
  makers.set(name, make);
}

function fill(root) {
  const places = [...root.querySelectorAll("[data-easel]:not([data-filled])")];
  if (root.matches?.("[data-easel]:not([data-filled])")) places.push(root);
  for (const element of places) {
    const make = makers.get(element.dataset.easel);
    if (!make) continue;
    element.dataset.filled = "";
    make(element, element.dataset.tab ?? "");
  }
}

export function watchPlaces() {
  fill(document.body);
  new MutationObserver((changes) => {
    for (const change of changes)
      for (const node of change.addedNodes) if (node.nodeType === Node.ELEMENT_NODE) fill(node);
  }).observe(document.body, { childList: true, subtree: true });
}
