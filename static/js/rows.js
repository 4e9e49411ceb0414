// The current row of a list is where the focus is, else the one that stands open. Enter opens it, x ticks it.
export const rows = () => [...document.querySelectorAll("table.list tbody tr")];
export const hasRows = () => document.querySelector("table.list tbody tr") !== null;

export function current() {
  const focused = document.activeElement?.closest("table.list tbody tr");
  return focused ?? document.querySelector('table.list tbody tr[aria-current="true"]');
}

export const opener = (row) => row?.querySelector("a[data-open]") ?? row?.querySelector("a[href]");

export function focusRow(row) {
  if (!row) return;
  (opener(row) ?? row.querySelector('input[name="row"], a, button'))?.focus({ preventScroll: true });
  row.scrollIntoView({ block: "nearest" });
}

export function move(step) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(current());
  const row = all[at < 0 ? 0 : Math.min(all.length - 1, Math.max(0, at + step))];
  focusRow(row);
  row.dispatchEvent(new CustomEvent("tandem:row", { bubbles: true }));
}

export const tick = () => current()?.querySelector('input[name="row"]')?.click();
export const open = () => opener(current())?.click();
