// Streamlit's own words in Portuguese, wherever they appear (see ui/chrome.py).
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
const HELP = "Help for ";
const put = (text) => {
  if (Object.hasOwn(words, text)) return words[text];
  if (text.startsWith(HELP)) return `Ajuda: ${text.slice(HELP.length)}`;
  return /^[\d.,]+ ?[kMG]?B per file/.test(text) ? text.replace(" per file", " por arquivo") : null;
};
const label = (el) => {
  // Tab goes from field to field; F1 opens the help of the field one is in.
  if (el.getAttribute("aria-label")?.startsWith(HELP)) el.tabIndex = -1;
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
