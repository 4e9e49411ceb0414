// What pages do beyond links and forms. Each module listens on `document`, so swapped parts need no wiring.
import "./selection.js";
import "./panel.js";
import "./hotkeys.js";
import "./shortcuts.js";
import "./tell-me.js";

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

// Questions start on Cancel. Not all browsers honour autofocus on a link.
document.querySelector("[data-focus]")?.focus();
