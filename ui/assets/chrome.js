// Streamlit's own words in Portuguese, wherever they appear (see ui/chrome.py).
const words = {
  "Add files": "Adicionar arquivos",
  "All selected options have been cleared.": "Nada está escolhido.",
  "App pages": "Páginas do programa",
  "Autosize": "Ajustar largura",
  "Choose an option": "Escolha",
  "Choose date": "Escolher o dia",
  "Choose options": "Escolha",
  "Clear all": "Limpar tudo",
  "Clear date": "Limpar o dia",
  "Clear entry": "Limpar",
  "Clear search": "Limpar busca",
  "Clear selection": "Desmarcar",
  "Clear time": "Limpar a hora",
  "Clear value": "Limpar",
  "Click to retry upload": "Tentar de novo",
  "Close": "Fechar",
  "Close Search": "Fechar busca",
  "Close fullscreen": "Sair da tela cheia",
  "Collapse sidebar": "Recolher menu",
  "Connection error": "Sem conexão com o programa",
  "Copied": "Copiado",
  "Copy": "Copiar",
  "Copy column name": "Copiar nome da coluna",
  "Copy Vega-Lite spec": "Copiar a descrição do gráfico",
  "Copy to clipboard": "Copiar",
  "Dark": "Escuro",
  "Dataframe column menu": "Menu da coluna",
  "Decrement": "Diminuir",
  "Download as CSV": "Baixar CSV",
  "Download as PNG": "Baixar imagem",
  "Download failed": "Não foi possível baixar",
  "Drag and drop a file here": "Solte um arquivo aqui",
  "Drag and drop files here": "Solte arquivos aqui",
  "Empty": "vazio",
  "Expand sidebar": "Abrir menu",
  "Failed to load data": "Não foi possível ler os dados",
  "Format": "Formato",
  "Fullscreen": "Tela cheia",
  "Hide column": "Ocultar coluna",
  "Hide password": "Ocultar senha",
  "Increment": "Aumentar",
  "Invalid input.": "Valor inválido.",
  "Light": "Claro",
  "Main menu": "Menu principal",
  "Next Result": "Próximo resultado",
  "Next month": "Próximo mês",
  "Next page": "Próxima página",
  "No data": "Sem dados",
  "No options": "Sem opções",
  "No results": "Nenhum resultado",
  "Notifications": "Avisos",
  "Number is above the allowed range.": "O número é grande demais.",
  "Number is below the allowed range.": "O número é pequeno demais.",
  "Open": "Abrir",
  "Page not found": "Página não encontrada",
  "Pagination": "Páginas",
  "Pin column": "Fixar coluna",
  "Please wait...": "Aguarde…",
  "Previous Result": "Resultado anterior",
  "Previous month": "Mês anterior",
  "Previous page": "Página anterior",
  "Print": "Imprimir",
  "Rerun": "Atualizar",
  "Running...": "Trabalhando…",
  "Scroll tabs left": "Abas anteriores",
  "Scroll tabs right": "Próximas abas",
  "Scrollable table": "Tabela",
  "Search": "Buscar",
  "Select all": "Selecionar tudo",
  "Selectbox options": "Opções",
  "Settings": "Configurações",
  "Show chart": "Mostrar gráfico",
  "Show data": "Mostrar dados",
  "Show password": "Mostrar senha",
  "Show suggestions": "Mostrar sugestões",
  "Show/hide columns": "Mostrar ou ocultar colunas",
  "Sidebar": "Menu lateral",
  "Skip to main content": "Ir para o conteúdo",
  "Sort ascending": "Ordem crescente",
  "Sort descending": "Ordem decrescente",
  "Statistics": "Estatísticas",
  "Stop": "Parar",
  "Suggestions": "Sugestões",
  "System": "Sistema",
  "The page that you have requested does not seem to exist. Running the app's main page.": "Este endereço não leva a nenhuma página: aqui está a lista de servidores.",
  "Theme": "Tema",
  "This field is required.": "Preencha este campo.",
  "Type to search": "Digite para buscar",
  "Unpin column": "Soltar coluna",
  "Upload": "Escolher arquivo",
  "Upload failed": "Não foi possível enviar o arquivo",
  "Use arrow keys to navigate dates. Enter to select. Escape to close.": "As setas andam pelos dias, Enter escolhe, Esc fecha.",
  "Vega visualization": "Gráfico",
  "add icon": "adicionar",
  "file upload": "Escolher arquivo",
  "progress": "andamento",
  "visualization": "gráfico",
  "yyyy": "aaaa",
};
// What has a name or a number in it.
const MOMENT = { day: "dia", month: "mês", year: "ano" };
const patterns = [
  [/^Help for (.*)$/s, "Ajuda: $1"],
  [/^Remove (.*)$/s, "Remover $1"],
  [/^Page (\d+)$/, "Página $1"],
  [/^(\d+) more$/, "Mais $1"],
  [/^1 option available\.$/, "1 opção."],
  [/^(\d+) options available\.$/, "$1 opções."],
  [/^([\d.,]+) ?([kMG]?B) per file/, "$1 $2 por arquivo"],
  // The size of a chosen file: "227.0B", "146.3KB".
  [/^(\d+)\.(\d)([KMG]?B)$/, (_, whole, tenth, unit) => `${whole}${tenth === "0" ? "" : `,${tenth}`} ${unit}`],
  [/^(.*), selected$/s, "$1, escolhido"],
  [/^(day|month|year), (.*)$/s, (_, part, name) => `${MOMENT[part]}, ${name}`],
  [/^Choose date, (.*)$/s, "Escolher o dia, $1"],
  [/^(\d+) – (January|February|March|April|May|June|July|August|September|October|November|December)$/, (_, month) =>
    `${month} – ${new Date(2000, month - 1).toLocaleDateString("pt-BR", { month: "long" })}`],
  // "Fullscreen: Contas"
  [/^([A-Z][a-z/ A-Z]+): (.*)$/s, (all, word, name) => (Object.hasOwn(words, word) ? `${words[word]}: ${name}` : all)],
];
const OFFLINE =
  "O programa não responde. O que foi digitado continua na tela; a página volta sozinha quando ele voltar. " +
  "Se demorar, avise quem cuida dele.";
const chrome = [
  "stElementToolbar", "stDataFrameColumnMenu", "stDataFrameColumnVisibilityMenu", "stFileUploaderDropzone",
  "stDataFrameColumnFormattingMenu", "stStatusWidget", "stMainMenu", "stMainMenuPopover", "stTooltipContent",
  "stTooltipErrorContent", "stSelectboxVirtualDropdown", "stDateInput", "stTopNavSection", "stSkipToContent", "stBaseButton-borderlessIcon",
].map((id) => `[data-testid="${id}"]`).join() +
  ',.stDialog header,.stDialog section > h2,.dvn-search,[data-live-announcer],[role="dialog"]:not(.stDialog *)';
const HELP = "Help for ";
const LONG = 40;
// What people wrote: a server called "Search" keeps its name.
const theirs = ".mailcore-rows, pre, code, [data-testid=\"stMain\"] [data-testid=\"stMarkdownContainer\"]";
const ATTRIBUTES = ["aria-label", "title", "placeholder", "aria-roledescription", "aria-valuetext"];
const ICON = /^(\w+) icon$/;
const icons = { cancel: "falhou", check_circle: "certo", do_not_disturb_on: "não feito", error: "erro", warning: "aviso" };
const put = (text) => {
  if (Object.hasOwn(words, text)) return words[text];
  const found = patterns.find(([pattern]) => pattern.test(text));
  return found ? text.replace(...found) : null;
};
// An icon among words: what it stands for, or nothing.
const icon = (el, name) => {
  if (Object.hasOwn(icons, name)) el.setAttribute("aria-label", icons[name]);
  else el.setAttribute("aria-hidden", "true");
};
const label = (el) => {
  const drawn = el.matches('[role="img"][translate="no"]') && ICON.exec(el.getAttribute("aria-label") ?? "");
  if (drawn) return icon(el, drawn[1]);
  if (el.closest(theirs)) return;
  // Tab goes from field to field; F1 opens the help of the field one is in.
  if (el.getAttribute("aria-label")?.startsWith(HELP)) el.tabIndex = -1;
  for (const name of ATTRIBUTES) {
    const before = el.getAttribute(name);
    const found = before && put(before);
    if (found && found !== before) el.setAttribute(name, found);
  }
};
// One sentence in place of what Streamlit says of its server, which is for programmers.
const offline = (title) => {
  const told = title.nextElementSibling;
  if (!told || told.style.display === "none") return;
  told.style.display = "none";
  const sentence = document.createElement("p");
  sentence.textContent = OFFLINE;
  told.after(sentence);
};
const text = (node) => {
  const before = node.data.trim();
  const found = put(before);
  if (!found) return;
  // Nobody calls a server by a whole sentence of Streamlit's.
  const isSentence = before.length > LONG && Object.hasOwn(words, before);
  if (!isSentence && !node.parentElement?.closest(chrome)) return;
  if (found === words["Connection error"]) offline(node.parentElement);
  if (found !== node.data) node.data = found;
};
// The figures of a picture stand in the table beside it; in the picture they would be read with English words.
const picture = (el) => {
  if (el.matches(".vega-embed > svg")) el.setAttribute("aria-hidden", "true");
};
const SELECTOR = ATTRIBUTES.map((name) => `[${name}]`).join();
const walk = (node) => {
  if (node.nodeType === Node.TEXT_NODE) return text(node);
  if (node.nodeType !== Node.ELEMENT_NODE) return;
  label(node);
  picture(node);
  node.querySelectorAll(SELECTOR).forEach(label);
  node.querySelectorAll(".vega-embed > svg").forEach(picture);
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
    attributes: true, attributeFilter: ATTRIBUTES,
  });
  walk(document.body);
}
