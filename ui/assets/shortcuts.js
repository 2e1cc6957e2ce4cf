// The function keys of a page, and what else only the browser can do for a form (see ui/shortcuts.py).
//
// State that has to outlive one run of the script (Streamlit runs it again whenever the data change, without
// the clean-up of the run before) lives in window.mailcoreKeys: `off` ends the listeners of the run before,
// `guard`/`dirty` tell whether something was typed since the form began, `focused` is the last focus request
// honoured, `busy` is true from a key's click until the run it caused is over, `entered` is the field that the person
// has gone into since the last press of anything.
const later = (ms) => new Promise((done) => setTimeout(done, ms));
const one = (selector) => document.querySelector(selector);
const active = () => {
  const el = document.activeElement;
  return el && el !== document.body ? el : null;
};
// A toast is an alertdialog too, but not a modal one: it must not switch the keys off.
const modal = () =>
  one('[data-testid="stDialog"], :is([role="dialog"], [role="alertdialog"])[aria-modal="true"]');
const idle = () =>
  !/^(running|rerunRequested)$/.test(one('[data-testid="stApp"]')?.dataset.testScriptState);
const READ = 300; // milliseconds that the cursor rests on the news before it goes on to the field
const button = (cls) => one(`.${cls} button:not(:disabled):not([aria-disabled="true"])`);

const TYPED = 'input, textarea, [role="combobox"]';
// For the life of the tab: a field may be entered before this component of its page is there.
const watch = (W) => {
  if (W.watched) return;
  W.watched = true;
  document.addEventListener("focusin", (event) => {
    if (!W.busy && event.target.matches?.(TYPED) && event.target.closest('[data-testid="stMain"]')) W.entered = event.target;
  }, { capture: true });
  document.addEventListener("click", (event) => {
    if (!event.target.closest?.(TYPED)) W.entered = null;
  }, { capture: true });
};

// Each button bears its key: for the eyes alone, its name stays what it says.
const face = (key, cls) => {
  const el = one(`.${cls} button`);
  if (!el || el.querySelector(":scope > kbd")) return;
  const badge = document.createElement("kbd");
  badge.textContent = key;
  badge.ariaHidden = "true";
  el.append(badge);
  el.setAttribute("aria-keyshortcuts", key);
};

export default function ({ data, parentElement }) {
  const W = (window.mailcoreKeys ??= { busy: false });
  watch(W);
  W.off?.abort();
  const off = (W.off = new AbortController());
  const on = (target, type, handler) =>
    target.addEventListener(type, handler, { capture: true, signal: off.signal });
  const root = parentElement.host ?? parentElement;
  // Nothing to see: without this an empty element still takes a row's gap.
  root.closest('[data-testid="stElementContainer"]')?.style.setProperty("display", "none");
  // An element taken away without its clean-up must leave no dead keys on the next page.
  const alive = () => root.isConnected || (off.abort(), false);

  const press = async (cls) => {
    if (W.busy || !button(cls)) return;
    W.busy = true;
    W.entered = null;
    try {
      const from = active();
      const field = from?.closest('[data-testid="stTextInput"]')?.querySelector("input");
      // A password commits only when the focus leaves the whole widget, not from its "show" button.
      if (field && field !== from) field.focus();
      active()?.blur?.();
      // React hands the text to Streamlit in the effects of the blur: over when the next task begins.
      await later(0);
      button(cls)?.click();
      // Whoever goes on typing (an error to mend) goes on where he was.
      const typed = '[data-testid="stTextInput"], [data-testid="stTextArea"], [data-testid="stNumberInput"]';
      if (from?.matches("input, textarea") && from.closest(typed)) from.focus({ preventScroll: true });
      // One press, one click: a second press is dropped until the run of the first is over.
      const end = performance.now() + 30000;
      do await later(100); while (!idle() && performance.now() < end);
    } finally {
      W.busy = false;
    }
  };

  const help = () => {
    const holder = active()?.closest('[class*="st-key-field_"]');
    const name = holder && /(?:^|\s)st-key-field_(\S+?)(?:__\S*)?(?:\s|$)/.exec(holder.className)?.[1];
    const url = new URL(data.help, location.href);
    url.search = url.hash = "";
    if (name) url.searchParams.set("campo", name);
    // A named tab is used again by the next F1, and the form stays as it is in this one.
    window.open(url, "mailcore-ajuda");
  };

  on(window, "keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.shiftKey || !alive()) return;
    const cls = Object.hasOwn(data.keys, event.key) ? data.keys[event.key] : null;
    const helps = event.key === "F1" && data.help;
    if (!cls && !helps) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.repeat) return;
    if (helps && !cls) help();
    else if (!modal()) press(cls);
  });

  on(document, "click", (event) => {
    const pressed = (cls) => event.target.closest?.(`.${cls} button`);
    if (data.above.some(pressed)) one('[data-testid="stMain"]')?.scrollTo({ top: 0 });
  });

  if (W.guard !== data.guard) {
    W.guard = data.guard;
    W.dirty = false;
  }
  if (data.guard !== null) {
    const unsaved = () => alive() && (W.dirty || data.unsaved);
    const touch = (event) => {
      if (event.target.closest?.('[data-testid="stMain"]') && !event.target.closest(aside)) W.dirty = true;
    };
    const aside = '[data-testid="stSidebar"], [data-testid="stDialog"]';
    const picks = ["stCheckbox", "stRadio", "stButtonGroup", "stNumberInput"]
      .map((id) => `[data-testid="${id}"] :is(label, button)`).join() + ',[role="option"]';
    on(document, "input", touch);
    on(document, "change", touch);
    // An option taken with the keyboard makes no event but the key's own.
    on(document, "keydown", (event) => {
      const list = event.target.closest?.('[role="combobox"][aria-expanded="true"][aria-activedescendant]');
      if (list && (event.key === "Enter" || event.key === "Tab")) touch(event);
    });
    on(document, "click", (event) => {
      // The list of a selectbox hangs outside the page's main part; the label of a checkbox ticks it without
      // any event of the box.
      if (event.target.closest?.(picks) && !event.target.closest(aside)) W.dirty = true;
      const link = event.target.closest?.("a[href]");
      if (!link || link.target === "_blank" || event.ctrlKey || event.metaKey || event.shiftKey) return;
      const to = new URL(link.href, location.href);
      if (to.origin !== location.origin || (to.hash && to.pathname === location.pathname)) return;
      // The browser asks only when the whole document goes; a link inside the app keeps the document.
      if (unsaved() && !window.confirm(data.leave)) {
        event.preventDefault();
        event.stopImmediatePropagation();
      } else W.dirty = false;
    });
    on(window, "beforeunload", (event) => {
      if (unsaved()) event.preventDefault();
    });
  }

  if (data.focus && W.focused !== data.focus.join(" ")) {
    W.focused = data.focus.join(" ");
    const wanted = W.focused;
    // What is wanted may still be on its way, or in a tab about to open.
    const enter = async (selector) => {
      for (let tries = 0; tries < 60 && W.focused === wanted && root.isConnected; tries++) {
        if (W.entered && W.entered === active()) return null; // the person has begun elsewhere: nobody is torn away
        const el = one(selector);
        if (el && el.checkVisibility() && !modal()) {
          if (!el.matches("input, textarea")) el.tabIndex = -1;
          el.focus();
          W.entered = null; // that was not the person
          if (document.activeElement === el) return el;
        }
        await later(50);
      }
      return null;
    };
    (async () => {
      const news = data.first && (await enter(`.${data.first}`));
      if (!data.focus[0]) return;
      if (news) {
        news.scrollIntoView({ block: "nearest" });
        await later(READ);
        if (active() && active() !== news) return; // the person has gone elsewhere
      }
      await enter(`.${data.focus[0]} :is(input, textarea, [role="combobox"]):not(:disabled)`);
    })();
  }

  const faces = () => Object.entries(data.keys).forEach(([key, cls]) => face(key, cls));
  faces();
  // Buttons that come after this component, or are drawn anew.
  W.faces?.disconnect();
  W.faces = new MutationObserver(faces);
  W.faces.observe(document.body, { childList: true, subtree: true });
  return () => {
    off.abort();
    W.faces?.disconnect();
  };
}
