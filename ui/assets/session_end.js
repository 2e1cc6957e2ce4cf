// An open page whose session ended: say so over it, keep what was typed, and go on as soon as somebody signs in again.
const bar = () => {
  let el = document.getElementById("mailcore-session-end");
  if (el) return el;
  el = document.createElement("div");
  el.id = "mailcore-session-end";
  el.setAttribute("role", "alert");
  // Streamlit's dialogs make everything else unusable but for what has this mark.
  el.dataset.reactAriaTopLayer = "true";
  return document.body.appendChild(el);
};
const hide = () => {
  document.getElementById("mailcore-session-end")?.remove();
  // Its dialog about the connection stays open behind the bar, and would still be there after it.
  for (const dialog of connectionDialogs()) dialog.querySelector("button")?.click();
};
const connectionDialogs = () =>
  [...document.querySelectorAll('[role="dialog"]')].filter((dialog) =>
    ["Connection error", "Sem conexão com o programa"].includes(dialog.querySelector("h2")?.textContent.trim()));
const cover = () => {
  for (const dialog of connectionDialogs()) {
    let outer = dialog;
    while (outer.parentElement !== document.body) outer = outer.parentElement;
    outer.style.display = document.getElementById("mailcore-session-end") ? "none" : "";
  }
};
export default function ({ data, parentElement }) {
  const row = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
  row?.style.setProperty("display", "none");
  const { base } = data;
  window.mailcoreSessionEnd?.abort();
  const end = (window.mailcoreSessionEnd = new AbortController());
  const app = document.querySelector('[data-testid="stApp"]');
  let asking = 0;
  const ask = async () => {
    const state = app.dataset.testConnectionState;
    if (state === "CONNECTED" || end.signal.aborted) return hide();
    try {
      const answer = await fetch(`${base}/entrar/estado`, { cache: "no-store", signal: end.signal });
      const { entrou } = await answer.json();
      if (entrou || end.signal.aborted) hide();
      else show();
    } catch {
      hide(); // the program itself is away: the page says that in its own words
    }
    clearTimeout(asking);
    asking = setTimeout(ask, 1000);
  };
  const show = () => {
    const el = bar();
    cover();
    if (el.firstChild) return;
    const link = document.createElement("a");
    link.href = `${base}/entrar?next=${encodeURIComponent(`${base}/entrar/pronto`)}`;
    link.target = "_blank";
    link.rel = "noopener";
    link.textContent = "Entrar de novo";
    el.append("Sua sessão terminou. O que foi digitado continua nesta tela. ", link, " em outra aba e volte para esta.");
  };
  const watch = new MutationObserver(ask);
  const dialogs = new MutationObserver(cover);
  dialogs.observe(document.body, { childList: true });
  watch.observe(app, { attributes: true, attributeFilter: ["data-test-connection-state"] });
  end.signal.addEventListener("abort", () => { watch.disconnect(); dialogs.disconnect(); clearTimeout(asking); });
}
