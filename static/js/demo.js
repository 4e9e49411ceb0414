// The card of the first five minutes stays as it was left, on every page of this browser.
document.addEventListener("click", (event) => {
  const card = event.target.closest("[data-demo-card] > summary")?.parentElement;
  if (!card) return;
  const next = card.open ? "folded" : "open"; // the press is about to turn it
  document.cookie = `tandem_demo_card=${next}; path=/; max-age=2592000; samesite=lax`;
});
