// The comparison beyond radios and a form: Will be, what is lost, the count, keys. Listens on `document`: the region is
// swapped once both records were read. A choice made before survives where the values are the same.
const chosen = new Map(); // unit → {side, values}
const form = () => document.querySelector("form[data-compare]");
const units = () => [...document.querySelectorAll("[data-unit]")];
const side = (unit) => unit.querySelector("input[type=radio]:checked")?.value ?? "";

function show() {
  const all = units();
  if (!all.length) return;
  const to = { left: 0, right: 0 };
  let open = all.length;
  const goes = (winner) => { to[winner === "left" ? "right" : "left"] += 1; };
  // What flows by itself is written with the decision.
  document.querySelectorAll("[data-flows]").forEach((each) => goes(each.dataset.flows));
  all.forEach((unit) => {
    const winner = side(unit);
    if (winner) {
      unit.dataset.chosen = winner;
      goes(winner);
      open -= 1;
    } else delete unit.dataset.chosen;
    unit.querySelectorAll("[data-after]").forEach((each) => { each.hidden = each.dataset.after !== winner; });
    unit.querySelectorAll("[data-open]").forEach((each) => { each.hidden = Boolean(winner); });
  });
  const words = form().dataset;
  const apply = form().querySelector("[data-apply]");
  if (apply) apply.disabled = open > 0;
  const counter = form().querySelector("[data-counter]");
  if (!counter) return;
  const counts = words.counts.replace("{l}", to.left).replace("{r}", to.right);
  const still = open === 1 ? words.openOne : words.openMany.replace("{n}", open);
  counter.textContent = open ? `${still} · ${counts}` : counts;
}

function choose(unit, which) {
  const radio = unit.querySelector(`input[value="${which}"]`);
  if (!radio) return;
  radio.checked = true;
  chosen.set(unit.dataset.unit, { side: which, values: unit.dataset.values });
}

function again() {
  let lost = false;
  units().forEach((unit) => {
    const before = chosen.get(unit.dataset.unit);
    if (!before) return;
    if (before.values === unit.dataset.values) choose(unit, before.side);
    else {
      chosen.delete(unit.dataset.unit);
      unit.querySelectorAll("input[type=radio]").forEach((each) => { each.checked = false; });
      lost = true;
    }
  });
  show();
  if (lost) {
    const counter = form().querySelector("[data-counter]");
    if (counter) counter.textContent = `${form().dataset.moved} ${counter.textContent}`;
  }
}

function next(from) {
  const all = units();
  const at = all.indexOf(from);
  const open = [...all.slice(at + 1), ...all.slice(0, at + 1)].find((unit) => !side(unit));
  (open ? open.querySelector("input") : form().querySelector("[data-apply]"))?.focus();
}

document.addEventListener("change", (event) => {
  const unit = event.target.closest?.("[data-unit]");
  if (!unit || event.target.type !== "radio") return;
  choose(unit, event.target.value);
  show();
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-all]");
  if (!button || button.disabled) return;
  event.preventDefault();
  units().forEach((unit) => choose(unit, button.dataset.side || button.value));
  show();
  form().querySelector("[data-apply]")?.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.altKey || event.metaKey || !form()) return;
  const unit = event.target.closest?.("[data-unit]");
  if (!unit || event.ctrlKey || !event.target.matches("input[type=radio]")) return;
  const which = { ArrowLeft: "left", ArrowRight: "right" }[event.key];
  if (which) {
    event.preventDefault();
    choose(unit, which);
    unit.querySelector(`input[value="${which}"]`).focus();
    show();
  } else if (event.key === "Enter") {
    event.preventDefault();
    next(unit);
  }
});

// Both records were read and the region exchanged. Going back in the browser brings radios back after this script ran.
document.addEventListener("htmx:after:swap", again);
window.addEventListener("pageshow", show);
show();
