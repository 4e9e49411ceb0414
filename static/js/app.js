// What pages do beyond links and forms. Each module listens on `document`, so swapped parts need no wiring.
import "./selection.js";
import "./panel.js";
import "./refresh.js";
import "./hotkeys.js";
import "./shortcuts.js";
import "./tell-me.js";
import "./frame.js";

const label = () => {
  const button = document.querySelector("[data-theme-toggle]");
  const words = button?.querySelector("[data-theme-label]");
  if (!words) return;
  button.hidden = false;
  words.textContent = words.dataset[window.tandemTheme.current()];
  button.title = words.textContent;
};
label();

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-theme-toggle]")) {
    window.tandemTheme.next();
    label();
  }
});

// A filter applies as soon as it is chosen; the search box waits for Enter.
document.addEventListener("change", (event) => {
  if (event.target.matches("[data-filter] select")) event.target.form.requestSubmit();
});

// A pasted list travels in the address: blanks are its shortest separators, and an address has an end.
const LONGEST = 7000;
document.addEventListener("submit", (event) => {
  const box = event.target.matches?.("[data-filter]") ? event.target.elements.q : null;
  if (!box) return;
  const parts = box.value.split(/[,;\s]+/).filter(Boolean);
  if (parts.length > 1 && parts.every((part) => /\d/.test(part))) box.value = parts.join(" ");
  if (new URLSearchParams({ q: box.value }).toString().length <= LONGEST) return;
  event.preventDefault();
  box.setCustomValidity(event.target.dataset.tooLong);
  box.reportValidity();
  box.addEventListener("input", () => box.setCustomValidity(""), { once: true });
});

// Questions start on Cancel (not all browsers honour autofocus on a link), a form that was refused on its first wrong answer.
document.querySelector("[data-focus], main [aria-invalid=true]")?.focus();
