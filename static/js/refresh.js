// A list refreshes itself while it is watched. Ticks, focus, scroll, opened messages and the panel stay: the region is
// morphed, not replaced. The server answers 304 where nothing changed.
import { exchange, fetchPart } from "./fragment.js";
import { isOpen, show as showPanel } from "./panel.js";
import { current, focusRow, rows } from "./rows.js";
import { changed, form, keepElsewhere, show, ticked } from "./selection.js";

const EVERY = 30_000;
const region = () => document.querySelector("[data-refresh]");
const note = () => document.querySelector("[data-list-note]");
let last = Date.now();
let busy = false;
let failures = 0;

function say(text) {
  note().querySelector("span").textContent = text;
  note().hidden = !text;
}

const isTyping = () => document.activeElement?.matches("input:not([type=checkbox], [type=radio]), textarea, select");
const isAway = () => document.hidden || document.querySelector("dialog[open], :popover-open") !== null;

// Ticks of rows that are on another page now are kept as fields; those of rows that left the list are told.
function settle(before, left) {
  const here = new Set(ticked());
  keepElsewhere(before.filter((key) => !here.has(key) && !left.includes(key)));
  form()?.querySelectorAll('input[name="row"]').forEach((box) => {
    if (left.includes(box.value)) box.checked = false;
  });
  const words = note().dataset;
  if (left.length) say(left.length === 1 ? words.leftOne : words.leftMany.replace("{n}", left.length));
}

async function refresh() {
  if (!region() || busy || isAway() || isTyping()) return;
  busy = true;
  last = Date.now();
  region().setAttribute("aria-busy", "true");
  const before = ticked();
  const row = current();
  const at = row ? rows().indexOf(row) : -1;
  const hadFocus = row !== null && row.contains(document.activeElement);
  const opened = isOpen() ? document.querySelector("[data-panel]").dataset.key : "";
  const wasListed = opened && document.getElementById(`row-${opened}`) !== null;
  try {
    const text = await fetchPart(location.href, region(), { remember: true, headers: { "Tandem-Ticked": before.join(".") } });
    failures = 0;
    if (note().dataset.state === "stale") say("");
    delete note().dataset.state;
    if (text === null) return;
    const kept = document.querySelectorAll("#bulk-actions, #bulk-why");
    if (before.length) kept.forEach((each) => each.setAttribute("hx-morph-skip", ""));
    await exchange(region(), text, "outerMorph");
    kept.forEach((each) => each.removeAttribute("hx-morph-skip"));
    const left = (region().dataset.left || "").split(".").filter((key) => before.includes(key));
    settle(before, left);
    if (before.length) changed();
    else show();
    if (hadFocus && !rows().includes(document.activeElement.closest("tr"))) focusRow(rows()[Math.min(at, rows().length - 1)]);
    if (wasListed && !document.getElementById(`row-${opened}`)) showPanel(location.href);
  } catch {
    failures += 1;
    if (failures === 2) {
      say(note().dataset.stale);
      note().dataset.state = "stale";
    }
  } finally {
    region().removeAttribute("aria-busy");
    busy = false;
  }
}

setInterval(() => { if (Date.now() - last >= EVERY - 500) refresh(); }, 5_000);
document.addEventListener("visibilitychange", () => { if (Date.now() - last >= EVERY) refresh(); });
document.addEventListener("tandem:refresh", refresh);
document.addEventListener("change", (event) => {
  if (event.target.name === "row" && note()?.dataset.state !== "stale") say("");
});
