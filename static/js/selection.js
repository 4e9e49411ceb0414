// Ticks: the page's checkbox, a range with Shift, the count, and "all that match". The checkboxes are the only store.
const rows = (form) => [...form.querySelectorAll('input[name="row"]')];
let last = null;

function show(form) {
  const bar = form.querySelector("[data-bulk]");
  if (!bar) return;
  const ticked = rows(form).filter((box) => box.checked).length;
  const all = form.querySelector("[data-all]");
  const count = bar.querySelector("[data-count]");
  bar.hidden = !ticked && !all?.checked;
  count.hidden = Boolean(all?.checked);
  count.textContent = ticked === 1 ? count.dataset.one : count.dataset.many.replace("{n}", ticked.toLocaleString());
  const page = form.querySelector("[data-select-page]");
  if (page) {
    page.hidden = false;
    const box = page.querySelector("input");
    box.checked = ticked > 0 && ticked === rows(form).length;
    box.indeterminate = ticked > 0 && !box.checked;
  }
}

document.querySelectorAll("[data-selection]").forEach(show);
// Going back in the browser brings ticks back after this script ran.
window.addEventListener("pageshow", () => document.querySelectorAll("[data-selection]").forEach(show));

document.addEventListener("click", (event) => {
  const box = event.target;
  if (!(box instanceof HTMLInputElement) || box.name !== "row") return;
  const boxes = rows(box.form);
  if (event.shiftKey && last && boxes.includes(last)) {
    const [from, to] = [boxes.indexOf(last), boxes.indexOf(box)].sort((a, b) => a - b);
    boxes.slice(from, to + 1).forEach((each) => { each.checked = box.checked; });
  }
  last = box;
  show(box.form);
});

document.addEventListener("change", (event) => {
  const form = event.target.closest?.("[data-selection]");
  if (!form) return;
  if (event.target.closest("[data-select-page]")) rows(form).forEach((box) => { box.checked = event.target.checked; });
  show(form);
});
