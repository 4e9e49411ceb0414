// The row beside its list. The links work without this; with it only the panel is exchanged and the list stays as it is.
import { exchange, fetchPart } from "./fragment.js";
import { current, focusRow, opener, rows } from "./rows.js";

const panel = () => document.querySelector("[data-panel]");
export const isOpen = () => panel() !== null && !panel().hidden;
let asked = null;
let following = 0;

const rowOf = (key) => rows().find((row) => opener(row)?.dataset.open === key);

function mark(key) {
  rows().forEach((row) => {
    if (key && opener(row)?.dataset.open === key) row.setAttribute("aria-current", "true");
    else row.removeAttribute("aria-current");
  });
}

function failed() {
  const said = document.createElement("p");
  said.className = "notice notice-warning";
  said.setAttribute("role", "alert");
  said.textContent = document.querySelector("[data-split]").dataset.failed;
  panel().replaceChildren(said);
  panel().hidden = false;
}

// Shows what `url` has beside the list. `focus`: the reader goes there, not only the eye.
export async function show(url, { focus = false } = {}) {
  asked?.abort();
  asked = new AbortController();
  const key = new URL(url, location.href).searchParams.get("open");
  mark(key);
  panel().setAttribute("aria-busy", "true");
  try {
    const text = await fetchPart(url, panel(), { signal: asked.signal });
    if (text === null) return;
    await exchange(panel(), text, "outerHTML");
    panel().scrollTop = 0;
  } catch (error) {
    if (error.name === "AbortError") return;
    failed();
  }
  panel().removeAttribute("aria-busy");
  rowOf(key)?.scrollIntoView({ block: "nearest" });
  if (focus) document.getElementById("panel-title")?.focus();
}

function close() {
  asked?.abort();
  clearTimeout(following);
  const row = rowOf(panel().dataset.key) ?? rows()[0];
  panel().replaceChildren();
  panel().hidden = true;
  panel().removeAttribute("aria-labelledby");
  mark(null);
  focusRow(row);
}

const plain = (event) => event.button === 0 && !event.metaKey && !event.ctrlKey && !event.shiftKey && !event.altKey;

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-open], a[data-panel-close]");
  if (!link || !panel() || !plain(event)) return;
  event.preventDefault();
  if (link.matches("[data-panel-close]")) {
    history.pushState({ tandem: true }, "", link.href);
    close();
    return;
  }
  if (!history.state?.tandem) history.replaceState({ tandem: true }, "");
  history.pushState({ tandem: true }, "", link.href);
  show(link.href, { focus: true });
});

// j and k: the panel follows, and the history does not grow by every row passed.
document.addEventListener("tandem:row", () => {
  const link = opener(current());
  if (!isOpen() || !link?.dataset.open) return;
  clearTimeout(following);
  following = setTimeout(() => {
    history.replaceState({ tandem: true }, "", link.href);
    show(link.href);
  }, 120);
});

window.addEventListener("popstate", () => {
  if (!panel()) return;
  if (new URL(location.href).searchParams.get("open")) show(location.href);
  else close();
});
