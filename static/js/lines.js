// Forms that grow by lines: the page that a press gave back shows the line it was about. A press at Enter is the first
// button of the form, which saves.
const form = document.querySelector("form[data-lines]");
const place = form?.dataset.place ? document.getElementById(form.dataset.place) : form?.querySelector("[aria-invalid]");
if (place) {
  const control = place.matches("input, select, textarea") ? place : place.querySelector("input:not([type=hidden]), select, textarea");
  place.scrollIntoView({ block: "center" });
  control?.focus({ preventScroll: true });
}
