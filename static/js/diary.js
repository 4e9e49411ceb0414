// The diary's small helpers. The clean-up's question: its button says how many go, also once "those too" is ticked.
function count() {
  const button = document.querySelector("[data-counts] [data-count]");
  if (!button) return;
  const also = document.querySelector("[data-count-more]");
  const n = Number(button.dataset.count) + (also?.checked ? Number(also.dataset.countMore) : 0);
  button.disabled = n === 0;
  button.textContent = n === 0 ? button.dataset.none
    : n === 1 ? button.dataset.one : button.dataset.many.replace("{n}", n.toLocaleString());
}

document.addEventListener("change", (event) => {
  if (event.target.matches("[data-count-more]")) count();
});
count();

// Copy details: to the clipboard; where the browser does not let us (no https), the text is marked for Ctrl+C.
document.querySelectorAll("[data-copy]").forEach((button) => { button.hidden = false; });

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const text = document.getElementById(button.dataset.copy);
  text.select();
  let copied = true;
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text.value);
    else copied = document.execCommand("copy");
  } catch { copied = document.execCommand("copy"); }
  if (copied) button.parentElement.querySelector("[data-copy-said]").textContent = button.dataset.copied;
});
