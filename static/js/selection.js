// Ticks: the page's checkbox, a range with Shift, the count, and "all that match". The checkboxes are the only store; ticked
// rows that moved to another page meanwhile are hidden fields. The server says what fits the ticked rows.
import { fetchPart } from "./fragment.js";

const boxes = (form) => [...form.querySelectorAll('input[type="checkbox"][name="row"]')];
const elsewhere = (form) => [...form.querySelectorAll('input[type="hidden"][name="row"]')];
export const form = () => document.querySelector("[data-selection]");
export const ticked = () => (form() ? [...boxes(form()).filter((box) => box.checked), ...elsewhere(form())].map((box) => box.value) : []);
let last = null;
let asked = null;
let waiting = 0;

export function keepElsewhere(keys) {
  keys.forEach((key) => {
    const field = document.createElement("input");
    field.type = "hidden";
    field.name = "row";
    field.value = key;
    form().append(field);
  });
}

const fill = (text, n) => text.replace("{n}", n.toLocaleString(document.documentElement.lang));

export function show() {
  const bar = form()?.querySelector("[data-bulk]");
  if (!bar) return;
  const here = boxes(form()).filter((box) => box.checked).length;
  const away = elsewhere(form()).length;
  const all = form().querySelector("[data-all]");
  const count = bar.querySelector("[data-count]");
  const { one, many, elsewhere: on } = count.dataset;
  bar.hidden = !here && !away && !all?.checked;
  count.hidden = Boolean(all?.checked);
  count.textContent = here + away === 1 ? one : fill(many, here + away);
  if (away) count.append(` · ${fill(on, away)}`);
  const page = form().querySelector("[data-select-page]");
  if (page) {
    page.hidden = false;
    const box = page.querySelector("input");
    box.checked = here > 0 && here === boxes(form()).length;
    box.indeterminate = here > 0 && !box.checked;
  }
}

// Which actions apply to how many of the ticked rows, and why not to the others.
async function ask() {
  const bar = form()?.querySelector("[data-bulk]");
  if (!bar || bar.hidden) return;
  asked?.abort();
  asked = new AbortController();
  const url = new URL(location.href);
  url.searchParams.delete("open");
  if (form().querySelector("[data-all]")?.checked) url.searchParams.set("all", "1");
  else url.searchParams.set("ticked", ticked().join("."));
  try {
    const text = await fetchPart(url, bar, { signal: asked.signal });
    if (text === null) return;
    for (const select of ["#bulk-actions", "#bulk-why"]) {
      const target = document.querySelector(select);
      if (target) await window.htmx.swap({ text, target, select, swap: "outerMorph", sourceElement: document.body });
    }
  } catch { /* The bar works without: the action itself says what it left alone. */ }
}

export function changed() {
  show();
  clearTimeout(waiting);
  waiting = setTimeout(ask, 150);
}

show();
// Going back in the browser brings ticks back after this script ran.
window.addEventListener("pageshow", () => {
  if (ticked().length) changed();
  else show();
});

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.name !== "row") return;
  const all = boxes(box.form);
  if (event.shiftKey && last && all.includes(last)) {
    const [from, to] = [all.indexOf(last), all.indexOf(box)].sort((a, b) => a - b);
    all.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
  }
  last = box;
  changed();
});

document.addEventListener("change", (event) => {
  const of = event.target.closest?.("[data-selection]");
  if (!of) return;
  if (event.target.closest("[data-select-page]")) boxes(of).forEach((box) => { box.checked = event.target.checked; });
  changed();
});
