// A double click is one act, on every button of every page (see ui/chrome.py).
//
// Where a run ends between the two clicks of a double click, Streamlit takes them for two presses, also where
// another button stands in the place by then. So the second click in one place is dropped, unless the person
// did something else in between. A function key has a rule of its own (shortcuts.js): its click passes.
const SECOND_CLICK = 800; // milliseconds: people double-click within 600
const NEAR = 16; // pixels a hand moves between the two
const buttons = ["stButton", "stDownloadButton", "stFormSubmitButton"]
  .map((id) => `[data-testid="${id}"] button`).join();

const placeOf = (event, button) => {
  // A press of Enter or the space bar has no place of its own: the button's middle stands for it.
  if (event.detail) return { x: event.clientX, y: event.clientY };
  const box = button.getBoundingClientRect();
  return { x: box.x + box.width / 2, y: box.y + box.height / 2 };
};
const on = (type, handler) => window.addEventListener(type, handler, { capture: true });

export default function ({ parentElement }) {
  const row = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
  row?.style.setProperty("display", "none");
  // One listener for the life of the tab: it belongs to the whole window, not to a page.
  if (window.mailcorePresses) return;
  let last = null;
  // Whether a press in the same place as the last would count by now.
  window.mailcorePresses = { counts: () => !last || performance.now() - last.at >= SECOND_CLICK };
  const isNear = (place) => last && Math.hypot(place.x - last.x, place.y - last.y) <= NEAR;
  on("click", (event) => {
    const button = event.target.closest?.(buttons);
    if (!button || window.mailcoreKeys?.busy) return;
    const place = placeOf(event, button);
    // The time of the click itself: a busy page hears of it later.
    if (last && event.timeStamp - last.at < SECOND_CLICK && (button === last.button || isNear(place))) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else last = { ...place, button, at: event.timeStamp };
  });
  // The second click means nothing else that stands there by then: the ground beside a dialog that the first one opened,
  // which would close it again, or the row behind one that it closed, which would be selected.
  let wasSecond = false;
  for (const type of ["pointerdown", "mousedown", "pointerup", "mouseup", "click", "dblclick"]) {
    on(type, (event) => {
      // A "dblclick" bears the time at which the page hears of it: it goes the way of its click.
      if (type !== "dblclick")
        wasSecond = Boolean(last) && event.timeStamp - last.at < SECOND_CLICK &&
          isNear({ x: event.clientX, y: event.clientY });
      if (!wasSecond || event.target.closest?.(buttons)) return;
      event.preventDefault();
      event.stopImmediatePropagation();
    });
  }
  // Whoever types or turns to something else in between means the next click.
  on("input", () => { last = null; });
  on("pointerdown", (event) => {
    if (!isNear({ x: event.clientX, y: event.clientY })) last = null;
  });
}
