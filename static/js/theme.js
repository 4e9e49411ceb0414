// Colours: as the system, light or dark. Loaded in the head so that the choice holds before the first paint.
(() => {
  const key = "tandem-theme";
  const read = () => { try { return localStorage.getItem(key) || "auto"; } catch { return "auto"; } };
  const apply = (choice) => {
    if (choice === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = choice;
  };
  apply(read());
  // The menu folded to icons (frame.js): also before the first paint.
  try { if (localStorage.getItem("tandem-menu") === "folded") document.documentElement.dataset.menu = "folded"; } catch { /* open */ }
  window.tandemTheme = {
    current: read,
    next() {
      const order = ["auto", "light", "dark"];
      const choice = order[(order.indexOf(read()) + 1) % order.length];
      try { localStorage.setItem(key, choice); } catch { /* private window: holds for this page */ }
      apply(choice);
      return choice;
    },
  };
})();
