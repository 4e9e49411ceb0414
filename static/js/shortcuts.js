// "?" lists the keys of this page, read from the controls that declare them.
import { combinations } from "./hotkeys.js";

const dialog = () => document.querySelector("[data-shortcuts]");
const words = { Control: "Ctrl", Escape: "Esc" };

function keys(control) {
  const term = document.createElement("dt");
  combinations(control.getAttribute("aria-keyshortcuts")).forEach((one, index) => {
    if (index) term.append(" · ");
    const pressed = [one.control && "Control", one.alt && "Alt", one.shift && "Shift", one.meta && "Meta", one.key];
    pressed.filter(Boolean).forEach((name, place) => {
      if (place) term.append(" + ");
      const key = document.createElement("kbd");
      key.textContent = words[name] ?? name;
      term.append(key);
    });
  });
  return term;
}

// What is hidden from screen readers is decoration, such as the keys written on the control itself.
function spoken(control) {
  const copy = control.cloneNode(true);
  copy.querySelectorAll('[aria-hidden="true"]').forEach((each) => each.remove());
  return copy.textContent;
}

const label = (control) => (
  control.getAttribute("aria-label") || control.dataset.shortcut || control.labels?.[0]?.textContent || spoken(control) || control.title
).trim().replace(/\s+/g, " ");

export function showShortcuts() {
  const list = dialog()?.querySelector("[data-shortcuts-list]");
  if (!list || dialog().open) return;
  list.querySelectorAll("[data-declared]").forEach((each) => each.remove());
  const told = new Set(["Escape"]);
  document.querySelectorAll("[aria-keyshortcuts]").forEach((control) => {
    const declared = control.getAttribute("aria-keyshortcuts");
    if (told.has(declared)) return;
    told.add(declared);
    const line = document.createElement("div");
    line.dataset.declared = "";
    const said = document.createElement("dd");
    said.textContent = label(control);
    line.append(keys(control), said);
    list.append(line);
  });
  list.querySelectorAll("[data-needs]").forEach((each) => { each.hidden = !document.querySelector(each.dataset.needs); });
  dialog().showModal();
}

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-shortcuts-open]")) {
    document.querySelector(":popover-open")?.hidePopover();
    showShortcuts();
  } else if (event.target === dialog()) dialog().close(); // beside the dialog
});
// Without scripts there are no shortcuts, and no way to a list of them.
document.querySelectorAll("[data-shortcuts-open]").forEach((each) => { each.hidden = false; });
