// One part of the page from the server. A session that has ended sends the whole browser to sign in.
export async function fetchPart(url, target, { signal, headers = {} } = {}) {
  const answer = await fetch(url, {
    signal,
    credentials: "same-origin",
    headers: {
      Accept: "text/html",
      "HX-Request": "true",
      "HX-Target": `${target.localName}#${target.id}`,
      "HX-Current-URL": location.href,
      ...headers,
    },
  });
  const elsewhere = answer.headers.get("HX-Redirect");
  if (elsewhere) {
    location.assign(elsewhere);
    return null;
  }
  if (answer.status === 204 || answer.status === 304) return null;
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.text();
}

// Exchange `target` with the part of the same id in `text`. htmx sets up what the new part declares.
export function exchange(target, text, swap) {
  return window.htmx.swap({ text, target, swap, select: `#${target.id}`, sourceElement: document.body });
}
