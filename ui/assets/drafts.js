// What is typed in a form, kept in this tab until it is saved or given up (see ui/drafts.py).
//
// A restart of the program, a reload, Back and a long lost connection end the session that had it. Only fields that
// Python names are kept; a password is none of them.
const PREFIX = "mailcore-draft:";
const SOON = 150; // milliseconds after the last stroke
const read = (key) => {
  try {
    return JSON.parse(sessionStorage.getItem(key));
  } catch {
    return null;
  }
};
const write = (key, draft) => {
  try {
    sessionStorage.setItem(key, JSON.stringify(draft));
  } catch {
    // No room, or no storage allowed: then nothing is kept.
  }
};
const drop = (wanted) => {
  for (const key of Object.keys(sessionStorage)) {
    if (key.startsWith(PREFIX) && wanted(read(key))) sessionStorage.removeItem(key);
  }
};

export default function ({ data, parentElement, setTriggerValue }) {
  const row = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
  row?.style.setProperty("display", "none");
  const W = (window.mailcoreDrafts ??= {});
  W.off?.abort();
  const off = (W.off = new AbortController());
  clearTimeout(W.timer);
  drop((draft) => !draft || draft.who !== data.who || data.ended.includes(draft.form));
  if (!data.form) return;

  const key = PREFIX + data.of;
  const before = read(key);
  if (before && before.form !== data.form && W.told !== data.form) {
    W.told = data.form;
    // A restart may show other pages on its way back to this one: nobody left it then.
    const left = before.left && before.program === data.program;
    setTriggerValue("found", { form: data.form, draft: { ...before, left } });
  }

  const typed = () => {
    const values = {};
    for (const name of Object.keys(data.start)) {
      const el = document.querySelector(`.st-key-field_${name} :is(input, textarea)`);
      if (el && el.type !== "password") values[name] = el.type === "checkbox" ? el.checked : el.value;
    }
    return values;
  };
  const keep = () => {
    if (off.signal.aborted) return;
    const values = typed();
    const differs = Object.keys(values).some((name) => values[name] !== data.start[name]);
    const { form, who, base, program } = data;
    const own = { form, who, base, program, at: Date.now(), left: false, values };
    if (differs) write(key, own);
    else drop((draft) => draft.form === data.form);
  };
  const soon = () => {
    clearTimeout(W.timer);
    W.timer = setTimeout(keep, SOON);
  };
  for (const type of ["input", "change", "click", "keyup"]) {
    document.addEventListener(type, soon, { capture: true, signal: off.signal });
  }
  // Not to lose the last stroke, and what an offer has just filled in.
  window.addEventListener("pagehide", keep, { capture: true, signal: off.signal });
  soon();
  const page = location.pathname;
  return () => {
    off.abort();
    // Where the page is left, whoever comes back is asked, not overruled; a restart of the program leaves none.
    const own = location.pathname !== page && read(key);
    if (own && own.form === data.form) write(key, { ...own, left: true });
  };
}
