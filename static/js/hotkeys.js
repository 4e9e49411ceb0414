// Keys press the control that declares them by aria-keyshortcuts ("r", "Shift+R", "Alt+Q Control+K"); rows have j, k, x and
// Enter. Single keys are silent while typing and can be switched off (WCAG 2.1.4); combinations with Ctrl or Alt always work.
import { isOpen } from "./panel.js";
import { hasRows, move, open, tick } from "./rows.js";

const stored = "tandem-shortcuts";
const isMac = navigator.platform.startsWith("Mac");
export const areOn = () => { try { return localStorage.getItem(stored) !== "off"; } catch { return true; } };

function label() {
  document.querySelectorAll("[data-shortcuts-toggle]").forEach((button) => {
    button.hidden = false;
    button.textContent = areOn() ? button.dataset.on : button.dataset.off;
    button.setAttribute("aria-pressed", String(areOn()));
  });
}
label();

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-shortcuts-toggle]")) return;
  try { localStorage.setItem(stored, areOn() ? "off" : "on"); } catch { /* private window */ }
  label();
});

// "Shift+R" → what must be pressed. A declaration may hold several, apart by blanks.
export const combinations = (text) => text.trim().split(/\s+/).map((each) => {
  const parts = each.split("+");
  const key = parts.pop() || "+";
  const has = (name) => parts.some((part) => part.toLowerCase() === name);
  return { key, control: has("control"), alt: has("alt"), shift: has("shift"), meta: has("meta") };
});

const isLetter = (key) => key.length === 1 && key.toLowerCase() !== key.toUpperCase();

function fits(event, wanted) {
  const control = event.ctrlKey || (isMac && event.metaKey && !wanted.meta);
  const meta = isMac && wanted.control ? false : event.metaKey;
  if (control !== wanted.control || event.altKey !== wanted.alt || meta !== wanted.meta) return false;
  // Signs such as "?" need Shift on some keyboards and not on others.
  if ((isLetter(wanted.key) || wanted.shift) && event.shiftKey !== wanted.shift) return false;
  // Alt with a letter types another sign on some keyboards: there the key itself counts.
  return event.key.toLowerCase() === wanted.key.toLowerCase()
    || (wanted.alt && event.code === `Key${wanted.key.toUpperCase()}`);
}

const seen = (element) => element.checkVisibility({ visibilityProperty: true });
const isField = (element) => element.matches("input:not([type=checkbox], [type=radio]), textarea, select");
const typing = (element) => element instanceof Element && (isField(element) || element.isContentEditable);

function declared(event) {
  return [...document.querySelectorAll("[aria-keyshortcuts]")].find(
    (each) => seen(each) && !each.disabled && combinations(each.getAttribute("aria-keyshortcuts")).some((one) => fits(event, one)),
  );
}

function press(control) {
  if (isField(control)) {
    control.focus();
    control.select?.();
  } else control.click();
}

function ofPage(event) {
  if (event.key === "?") return () => document.querySelector("[data-shortcuts-open]")?.click();
  if (event.shiftKey || !hasRows()) return null;
  return { j: () => move(1), k: () => move(-1), x: tick }[event.key] ?? null;
}

document.addEventListener("keydown", (event) => {
  if (event.isComposing || event.defaultPrevented || document.querySelector("dialog[open], :popover-open")) return;
  if (event.key === "Escape") {
    if (typing(event.target) && event.target.value) return;
    if (typing(event.target)) event.target.blur();
    else if (isOpen()) document.querySelector("[data-panel-close]")?.click();
    return;
  }
  // In a form, Enter on a tick box would press the form's first button.
  if (event.key === "Enter" && event.target.matches?.('table.list input[name="row"]')) {
    event.preventDefault();
    open();
    return;
  }
  const combined = event.ctrlKey || event.altKey || event.metaKey;
  if (!combined && (!areOn() || typing(event.target))) return;
  const control = declared(event);
  const work = control ? () => press(control) : combined ? null : ofPage(event);
  if (!work) return;
  event.preventDefault();
  work();
});
