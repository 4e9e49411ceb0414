// Tell Me as a dialog: Alt+Q or Ctrl+K opens it, typing asks, arrows move, Enter opens. Without this it is a page.
const dialog = () => document.querySelector("dialog[data-tell-me]");
const input = (root) => root.querySelector("[data-tell-me-input]");
const answer = (root) => root.querySelector("[data-tell-me-answer]");
let asking = null; // what is on its way: { text, control, done }
let shown = null; // the text that the answer is for

async function ask(root, text) {
  if (asking?.text === text) return asking.done;
  if (!asking && shown === text) return undefined;
  asking?.control.abort();
  const control = new AbortController();
  const mine = { text, control };
  asking = mine;
  mine.done = (async () => {
    try {
      const address = `${root.querySelector("form")?.action ?? root.action}?q=${encodeURIComponent(text)}`;
      const got = await fetch(address, { headers: { "HX-Request": "true" }, signal: control.signal });
      if (got.redirected || got.headers.has("HX-Redirect") || !got.ok) { // signed out meanwhile: the page says so
        window.location.assign(address);
        return;
      }
      answer(root).innerHTML = await got.text();
      shown = text;
    } catch (failure) {
      if (failure.name !== "AbortError") answer(root).textContent = root.dataset.failed ?? "";
    } finally {
      if (asking === mine) asking = null;
    }
  })();
  return mine.done;
}

let timer = 0;
document.addEventListener("input", (event) => {
  const root = dialog();
  if (!root?.contains(event.target)) return;
  clearTimeout(timer);
  timer = setTimeout(() => ask(root, event.target.value.trim()), 120);
});

function open() {
  const root = dialog();
  if (!root) return;
  if (!root.open) root.showModal();
  input(root).focus();
  input(root).select();
  ask(root, input(root).value.trim());
}

function move(root, step) {
  const hits = [...answer(root).querySelectorAll("[data-hit]")];
  if (!hits.length) return;
  const at = hits.indexOf(document.activeElement);
  if (at + step < 0) input(root).focus();
  else hits[Math.min(hits.length - 1, at + step)].focus();
}

document.addEventListener("keydown", (event) => {
  const wanted = (event.altKey && event.code === "KeyQ") || ((event.ctrlKey || event.metaKey) && event.code === "KeyK");
  if (wanted && !event.shiftKey && dialog()) {
    event.preventDefault();
    open();
    return;
  }
  if (event.key === "Escape" && event.target.closest?.("dialog[data-tell-me]")) {
    event.preventDefault(); // else the first one only empties the box
    dialog().close();
    return;
  }
  const root = event.target.closest?.("dialog[data-tell-me]") ?? (event.target.closest?.("main")?.querySelector("form[data-tell-me]") ? document.querySelector("main") : null);
  if (!root || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.target !== input(root) && !event.target.matches("[data-hit]")) return;
  if (event.key === "ArrowDown") { event.preventDefault(); move(root, 1); }
  else if (event.key === "ArrowUp") { event.preventDefault(); move(root, -1); }
  else if (event.key === "Enter" && event.target === input(root) && root.matches("dialog")) {
    event.preventDefault();
    clearTimeout(timer);
    ask(root, input(root).value.trim()).then(() => answer(root).querySelector("[data-hit]")?.click());
  } else if (event.target.matches("[data-hit]") && event.key.length === 1) {
    input(root).focus(); // going on to type
  }
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-tell-me-open]");
  if (opener && dialog() && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
    event.preventDefault();
    open();
  } else if (event.target.closest("[data-tell-me-close]")) dialog().close();
  else if (event.target === dialog()) event.target.close(); // on the backdrop
});
