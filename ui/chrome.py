"""Streamlit's own words in Portuguese.

Streamlit 1.67 has its interface in English, written into its scripts. What adds nothing is hidden with CSS;
the rest is translated where it appears, by exact match and, for visible text, only inside Streamlit's own
parts, so that a server called "Search" keeps its name.
"""

import streamlit as st

from ui.shortcuts import compact

_CSS = """
[data-testid="InputInstructions"] { display: none; }
/* Room for the work: Streamlit keeps a hand's breadth free at the top. */
[data-testid="stMainBlockContainer"] { padding: 4.25rem 2rem 2rem; max-width: 1400px; }
[data-testid="stBottomBlockContainer"] { padding: .75rem 2rem 1rem; max-width: 1400px; }
@media (max-width: 640px) {
  [data-testid="stMainBlockContainer"], [data-testid="stBottomBlockContainer"] {
    padding-left: 1rem; padding-right: 1rem;
  }
}
/* What must be filled in; Streamlit's own mark is the word "required", in English. */
.st-key-field_name, .st-key-field_kind, .st-key-field_host, .st-key-field_from_address, .st-key-field_send_to {
  [data-testid="stWidgetLabel"] p::after { content: " *"; }
}
/* A link to a record looks like a link, and is never cut. */
[data-testid="stMain"] [data-testid="stPageLink"] p {
  color: light-dark(#0b6b72, #6fd3d7); text-decoration: underline; white-space: normal; overflow: visible;
}
/* Keep the keyboard's place visible in both themes. */
:focus-visible { outline-offset: 2px; }
/* Streamlit's grey for captions is 60 % of the text colour, and its accent is too dark for text on dark. */
[data-testid="stCaptionContainer"], [data-testid="stCaptionContainer"] p {
  color: light-dark(#4d5d61, #a9b9bc); opacity: 1;
}
[data-testid="stTabs"] [role="tab"][aria-selected="true"],
[data-testid="stButtonGroup"] :is([aria-checked="true"], [aria-pressed="true"]) p {
  color: light-dark(#0b6b72, #6fd3d7);
}
/* Streamlit says "Connecting" in a corner, in English; a person needs to know that nothing is lost. */
[data-testid="stConnectionStatus"] { display: none; }
[data-testid="stApp"]:is([data-test-connection-state="PINGING_SERVER"],
  [data-test-connection-state="CONNECTING"], [data-test-connection-state="DISCONNECTED_FOREVER"])::after {
  content: "Sem conexão com o programa. Tentando de novo; o que foi digitado continua na tela.";
  position: fixed; inset: auto 0 1rem 0; margin: auto; width: fit-content; max-width: 90vw; z-index: 1000000;
  padding: .6rem 1rem; border-radius: .5rem; background: #7a2e0b; color: #fff; font-size: .9rem;
  animation: mailcore-late 0s 1.5s both;
}
/* Not for the moment every page needs to connect. */
@keyframes mailcore-late { from { visibility: hidden; } to { visibility: visible; } }
"""

_JS = r"""
const words = {
  "Add files": "Adicionar arquivos",
  "Autosize": "Ajustar largura",
  "Choose an option": "Escolha",
  "Choose options": "Escolha",
  "Clear all": "Limpar tudo",
  "Clear entry": "Limpar",
  "Clear search": "Limpar busca",
  "Clear selection": "Desmarcar",
  "Clear value": "Limpar",
  "Close": "Fechar",
  "Close Search": "Fechar busca",
  "Close fullscreen": "Sair da tela cheia",
  "Collapse sidebar": "Recolher menu",
  "Connection error": "Sem conexão com o programa",
  "Copied": "Copiado",
  "Copy": "Copiar",
  "Copy column name": "Copiar nome da coluna",
  "Copy to clipboard": "Copiar",
  "Dark": "Escuro",
  "Dataframe column menu": "Menu da coluna",
  "Decrement": "Diminuir",
  "Download as CSV": "Baixar CSV",
  "Drag and drop a file here": "Solte um arquivo aqui",
  "Drag and drop files here": "Solte arquivos aqui",
  "Expand sidebar": "Abrir menu",
  "Format": "Formato",
  "Fullscreen": "Tela cheia",
  "Hide column": "Ocultar coluna",
  "Hide password": "Ocultar senha",
  "Increment": "Aumentar",
  "Light": "Claro",
  "Main menu": "Menu principal",
  "Next Result": "Próximo resultado",
  "Next page": "Próxima página",
  "No data": "Sem dados",
  "No options": "Sem opções",
  "No results": "Nenhum resultado",
  "Notifications": "Avisos",
  "Open": "Abrir",
  "Page not found": "Página não encontrada",
  "Pagination": "Páginas",
  "Pin column": "Fixar coluna",
  "Please wait...": "Aguarde…",
  "Previous Result": "Resultado anterior",
  "Previous page": "Página anterior",
  "Print": "Imprimir",
  "Rerun": "Atualizar",
  "Running...": "Trabalhando…",
  "Scroll tabs left": "Abas anteriores",
  "Scroll tabs right": "Próximas abas",
  "Search": "Buscar",
  "Select all": "Selecionar tudo",
  "Selectbox options": "Opções",
  "Settings": "Configurações",
  "Show password": "Mostrar senha",
  "Show/hide columns": "Mostrar ou ocultar colunas",
  "Sidebar": "Menu lateral",
  "Sort ascending": "Ordem crescente",
  "Sort descending": "Ordem decrescente",
  "Statistics": "Estatísticas",
  "Stop": "Parar",
  "System": "Sistema",
  "Theme": "Tema",
  "Type to search": "Digite para buscar",
  "Unpin column": "Soltar coluna",
  "Upload": "Escolher arquivo",
};
const chrome = [
  "stElementToolbar", "stDataFrameColumnMenu", "stDataFrameColumnVisibilityMenu", "stFileUploaderDropzone",
  "stDataFrameColumnFormattingMenu", "stStatusWidget", "stMainMenu", "stMainMenuPopover", "stTooltipContent",
  "stTooltipErrorContent", "stSelectboxVirtualDropdown",
].map((id) => `[data-testid="${id}"]`).join() + ",.stDialog header,.dvn-search";
const put = (text) => {
  if (Object.hasOwn(words, text)) return words[text];
  if (text.startsWith("Help for ")) return "Ajuda";
  return /^[\d.,]+ ?[kMG]?B per file/.test(text) ? text.replace(" per file", " por arquivo") : null;
};
const label = (el) => {
  for (const name of ["aria-label", "title", "placeholder"]) {
    const found = el.hasAttribute(name) && put(el.getAttribute(name));
    if (found) el.setAttribute(name, found);
  }
};
const text = (node) => {
  const found = put(node.data.trim());
  if (found && node.parentElement?.closest(chrome)) node.data = found;
};
const walk = (node) => {
  if (node.nodeType === Node.TEXT_NODE) return text(node);
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  label(node);
  node.querySelectorAll("[aria-label], [title], [placeholder]").forEach(label);
  const list = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  while (list.nextNode()) text(list.currentNode);
};
export default function ({ parentElement }) {
  document.documentElement.lang = "pt-BR";
  const row = (parentElement.host ?? parentElement).closest('[data-testid="stElementContainer"]');
  row?.style.setProperty("display", "none");
  // One observer for the life of the tab: it belongs to the whole window, not to a page.
  if (window.mailcoreChrome) return;
  window.mailcoreChrome = new MutationObserver((changes) => {
    for (const change of changes) {
      if (change.type === "attributes") label(change.target);
      else if (change.type === "characterData") text(change.target);
      else change.addedNodes.forEach(walk);
    }
  });
  window.mailcoreChrome.observe(document.body, {
    subtree: true, childList: true, characterData: true,
    attributes: true, attributeFilter: ["aria-label", "title", "placeholder"],
  });
  walk(document.body);
}
"""

_component = st.components.v2.component("mailcore_chrome", js=compact(_JS))


def chrome() -> None:
    """Put Streamlit's own interface in Portuguese and set the language of the document.

    Call it once a run, in ``screen.py`` before the page runs.
    """
    st.html(f"<style>{compact(_CSS)}</style>")
    _component(key="mailcore_chrome")
