// The clean-up's question: its button says how many go, also once "those too" is ticked.
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
