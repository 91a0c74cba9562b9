// Asking the server. A refusal is an Error with the card that the server made of it.

export class Refused extends Error {
  constructor(card) {
    super(card.title);
    this.card = card;
  }
}

async function answer(response) {
  const data = await response.json().catch(() => ({}));
  if (response.ok) return data;
  throw new Refused(
    data.error ?? { code: `http-${response.status}`, title: response.statusText, cause: "", fixes: [], buttons: [] },
  );
}

export const get = async (path) => answer(await fetch(`/easel${path}`));

export const post = async (path, data = {}, options = {}) =>
  answer(
    await fetch(`/easel${path}`, {
      ...options,
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(data),
    }),
  );

export const send = async (path, file) =>
  answer(await fetch(`/easel${path}?name=${encodeURIComponent(file.name)}`, { method: "POST", body: file }));
