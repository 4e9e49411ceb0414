// Keys press the control that declares them by aria-keyshortcuts. j and k move between rows, x ticks, / searches.
// Silent while typing and with modifiers; can be switched off in the account menu (WCAG 2.1.4).
const key = "tandem-shortcuts";
const read = () => { try { return localStorage.getItem(key) !== "off"; } catch { return true; } };

function label() {
  const button = document.querySelector("[data-shortcuts-toggle]");
  if (!button) return;
  button.hidden = false;
  button.textContent = read() ? button.dataset.on : button.dataset.off;
  button.setAttribute("aria-pressed", String(read()));
}
label();

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-shortcuts-toggle]")) return;
  try { localStorage.setItem(key, read() ? "off" : "on"); } catch { /* private window */ }
  label();
});

const typing = (element) => element?.matches?.("input:not([type=checkbox]), textarea, select, [contenteditable]");

function move(step) {
  const rows = [...document.querySelectorAll("table.list tbody tr")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest("tr"));
  const row = rows[at < 0 ? 0 : Math.min(rows.length - 1, Math.max(0, at + step))];
  row.querySelector('input[name="row"], a')?.focus();
  row.scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  if (!read() || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || typing(event.target)) return;
  const actions = {
    j: () => move(1),
    k: () => move(-1),
    x: () => document.activeElement?.closest("table.list tr")?.querySelector('input[name="row"]')?.click(),
    "/": () => document.querySelector(".filter-search input")?.focus(),
  };
  const pressed = [...document.querySelectorAll("[aria-keyshortcuts]")].find(
    (each) => each.getAttribute("aria-keyshortcuts") === event.key && each.offsetParent !== null,
  );
  if (!pressed && !actions[event.key]) return;
  event.preventDefault();
  if (pressed) pressed.click();
  else actions[event.key]();
});
