// The frame: the menu folds to icons (remembered), and its counts are asked again while somebody looks.
const key = "tandem-menu";
const EVERY = 30_000;
const folded = () => document.documentElement.dataset.menu === "folded";

function show() {
  const button = document.querySelector("[data-nav-fold]");
  if (!button) return;
  button.hidden = false;
  const words = button.querySelector("[data-fold]");
  words.textContent = folded() ? words.dataset.unfold : words.dataset.fold;
  button.setAttribute("aria-expanded", String(!folded()));
  document.querySelectorAll(".navigation li a, [data-nav-fold]").forEach((each) => {
    const name = each.querySelector(".words")?.textContent.trim() ?? "";
    if (folded()) each.title = name;
    else each.removeAttribute("title");
  });
}
show();

document.addEventListener("click", (event) => {
  if (!event.target.closest("[data-nav-fold]")) return;
  if (folded()) delete document.documentElement.dataset.menu;
  else document.documentElement.dataset.menu = "folded";
  try { localStorage.setItem(key, folded() ? "folded" : "open"); } catch { /* private window: holds for this page */ }
  show();
});

async function count() {
  const menu = document.querySelector("[data-counts]");
  if (!menu || document.hidden) return;
  try {
    const got = await fetch(menu.dataset.counts, { headers: { Accept: "application/json" } });
    if (!got.ok || got.redirected) return; // signed out meanwhile: the next press says so
    const counts = await got.json();
    menu.querySelectorAll("[data-menu-count]").forEach((each) => {
      const now = counts[each.dataset.menuCount] ?? "";
      if (each.textContent !== now) each.textContent = now;
    });
  } catch { /* no answer: the numbers stay as they were */ }
}
setInterval(count, EVERY);
document.addEventListener("visibilitychange", count);
document.addEventListener("tandem:count", count); // what refreshes a list may ask for it too
