// One part of the page from the server; null where there is nothing to show. A session that has ended sends the whole browser
// to sign in. `remember`: ask whether it changed since it was last asked for.
const tags = new Map();

export async function fetchPart(url, target, { signal, remember = false, headers = {} } = {}) {
  const known = remember ? tags.get(String(url)) : null;
  const answer = await fetch(url, {
    signal,
    credentials: "same-origin",
    headers: {
      Accept: "text/html",
      "HX-Request": "true",
      "HX-Target": `${target.localName}#${target.id}`,
      "HX-Current-URL": location.href,
      ...headers,
      ...(known && { "If-None-Match": known }),
    },
  });
  const elsewhere = answer.headers.get("HX-Redirect");
  if (elsewhere) {
    location.assign(elsewhere);
    return null;
  }
  if (answer.status === 204 || answer.status === 304) return null;
  if (remember) tags.set(String(url), answer.headers.get("ETag"));
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.text();
}

// Exchange `target` with the part of the same id in `text`. htmx sets up what the new part declares.
export function exchange(target, text, swap) {
  return window.htmx.swap({ text, target, swap, select: `#${target.id}`, sourceElement: document.body });
}
