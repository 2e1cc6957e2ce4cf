// A table of real rows: select, open, sort, with the mouse and with the keyboard (see ui/listview/table.py).
//
// What is selected lives here and in Python. Each choice of a person has a number (`serial`) that travels to Python
// and comes back with the data: an answer to an older choice does not undo a newer one.
const SOON = 150;
const PAGE_ROWS = 10;
const tables = new WeakMap();

const element = (tag, attributes, ...children) => {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) if (value !== null) made.setAttribute(name, value);
  made.append(...children);
  return made;
};
// What a person reads goes in as text, never as HTML.
const line = (className, text) => element("span", { class: className, title: text }, text);

const bar = (share) => {
  const full = element("span", { class: "full" });
  full.style.width = `${Math.round(100 * Math.min(share, 1))}%`;
  return element("span", { class: "bar", "aria-hidden": "true" }, full);
};

// An address leads away from the program: it opens beside it, and nothing else than a page is opened.
const linked = (text, address) => {
  const shown = line("text", text);
  if (!/^https?:\/\//.test(address)) return shown;
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, shown);
};

const content = (cell) => {
  if (typeof cell === "string") return cell ? [line("text", cell)] : [];
  const parts = [];
  if (cell.bar !== undefined) parts.push(bar(cell.bar));
  if (cell.text) parts.push(cell.link ? linked(cell.text, cell.link) : line("text", cell.text));
  if (cell.below) parts.push(line("below", cell.below));
  return parts;
};

class Table {
  constructor(parent) {
    this.off = new AbortController();
    this.selected = new Set();
    this.serial = 0;
    this.timer = 0;
    this.focused = null;
    this.anchor = null;
    this.down = null; // the row that the mouse was pressed on
    this.box = element("div", { class: "mailcore-rows" });
    parent.append(this.box);
    const on = (target, type, handler, capture = false) =>
      target.addEventListener(type, handler, { capture, signal: this.off.signal });
    on(this.box, "click", (event) => this.clicked(event));
    on(this.box, "dblclick", (event) => this.open(this.rowOf(event)));
    on(this.box, "pointerdown", (event) => {
      this.down = this.rowOf(event);
    });
    on(this.box, "mouseup", (event) => this.released(event));
    on(this.box, "keydown", (event) => this.pressed(event));
    on(this.box, "mousedown", (event) => {
      if (event.shiftKey && this.rowOf(event)) event.preventDefault(); // no text is meant to be marked
    });
    on(this.box, "focusin", (event) => this.rove(this.rowOf(event)));
    // Whoever goes elsewhere acts on what is selected now.
    for (const type of ["pointerdown", "keyup", "focusout"]) on(window, type, () => this.timer && this.tell(), true);
  }

  update(data, setStateValue, setTriggerValue) {
    const isNew = !this.data;
    this.setStateValue = setStateValue;
    this.setTriggerValue = setTriggerValue;
    const drawn = JSON.stringify([data.label, data.columns, data.order, data.rows, data.first, data.total]);
    const wasLow = Boolean(this.data?.detail);
    this.data = data;
    this.box.classList.toggle("low", data.detail);
    if (drawn !== this.drawn) this.draw();
    this.drawn = drawn;
    if (isNew || data.serial >= this.serial) {
      const before = [...this.selected].join();
      this.serial = data.serial;
      this.selected = new Set(data.selected);
      if (isNew || before !== data.selected.join()) this.reveal(isNew);
    }
    if (data.detail && !wasLow) this.inSight(); // the table has just become low
    this.paint();
  }

  end() {
    this.off.abort();
    clearTimeout(this.timer);
    this.box.remove();
  }

  draw() {
    const { label, columns, rows, first, total, several, selectable } = this.data;
    // Where nothing inside takes the focus, the box itself does: the keyboard must be able to scroll it.
    if (!selectable && !columns.some(({ sorts }) => sorts)) this.box.tabIndex = 0;
    const focused = this.box.contains(document.activeElement) ? document.activeElement : null;
    const ids = rows.map(([id]) => id).join();
    const scrolled = ids === this.ids ? this.box.scrollTop : 0; // other rows are read from the top
    this.ids = ids;
    const headings = columns.map((column) => this.heading(column));
    const body = rows.map(([id, ...cells], index) => this.row(id, cells, first + index));
    const table = element(
      "table",
      {
        role: selectable ? "grid" : "table",
        "aria-label": label,
        "aria-rowcount": String(total + 1),
        "aria-multiselectable": selectable && several ? "true" : null,
      },
      element(
        "thead",
        { role: "rowgroup" },
        element("tr", { role: "row", "aria-rowindex": "1" }, this.mark("columnheader"), ...headings),
      ),
      element("tbody", { role: "rowgroup" }, ...body),
    );
    const tracks = columns.map(({ width, grow }) => (grow ? `minmax(${width}px, ${grow}fr)` : `${width}px`));
    const marks = selectable ? 28 : 0;
    table.style.setProperty("--columns", [`${marks}px`, ...tracks].join(" "));
    table.style.setProperty("--least", `${columns.reduce((sum, { width }) => sum + width, marks)}px`);
    this.box.replaceChildren(table);
    this.box.scrollTop = scrolled;
    this.body = table.tBodies[0];
    if (focused) this.refocus(focused.dataset.sort);
  }

  // The rows were drawn anew: the keyboard goes on from the same heading, or the same record.
  refocus(heading) {
    if (this.box.tabIndex === 0) return;
    const same = heading ? this.box.querySelector(`[data-sort="${heading}"]`) : this.find(this.focused);
    (same ?? this.body.rows[0])?.focus({ preventScroll: true });
  }

  mark(role) {
    if (role === "columnheader") return element("th", { role, class: "mark" }, element("span", { class: "hidden" }, "Seleção"));
    return element("td", { role, class: "mark" }, element("span", { class: "sign", "aria-hidden": "true" }));
  }

  heading({ name, label, end, sorts }) {
    const [sorted, direction] = this.data.order;
    const isSorted = sorts && sorted === name;
    const text = element("span", { class: "text", title: label }, label);
    const attributes = {
      role: "columnheader",
      class: end ? "end" : null,
      "aria-sort": isSorted ? (direction > 0 ? "ascending" : "descending") : null,
    };
    if (!sorts) return element("th", attributes, text);
    const arrow = element("span", { class: "arrow", "aria-hidden": "true" });
    const button = element("button", { type: "button", "data-sort": name, title: `Ordenar por ${label}` }, text, arrow);
    return element("th", attributes, button);
  }

  row(id, cells, position) {
    const made = cells.map((cell, index) => {
      const { end, label, name, wraps } = this.data.columns[index];
      const tone = cell.tone ? ` tone-${cell.tone}` : "";
      const attributes = { role: this.data.selectable ? "gridcell" : "cell", "data-label": label, "data-column": name };
      return element("td", { ...attributes, class: `${end ? "end" : "start"}${wraps ? " wraps" : ""}${tone}` }, ...content(cell));
    });
    const attributes = { role: "row", "data-id": String(id), "aria-rowindex": String(position + 1) };
    return element("tr", attributes, this.mark(this.data.selectable ? "gridcell" : "cell"), ...made);
  }

  // Which rows look selected, and which one Tab leads to.
  paint() {
    if (!this.data.selectable) return;
    for (const row of this.body.rows) row.setAttribute("aria-selected", String(this.selected.has(this.idOf(row))));
    this.rove(this.find(this.focused) ?? [...this.body.rows].find((row) => this.selected.has(this.idOf(row))));
  }

  rove(row) {
    if (!this.data.selectable) return;
    const one = row ?? this.body.rows[0];
    for (const other of this.body.rows) other.tabIndex = other === one ? 0 : -1;
    if (row) this.focused = this.idOf(row);
  }

  // A selection made for the person is brought into view; the keyboard goes on from it where it was nowhere else.
  reveal(isNew) {
    const row = [...this.body.rows].find((one) => this.selected.has(this.idOf(one)));
    if (!row) return;
    this.focused = this.anchor = this.idOf(row);
    this.rove(row);
    this.inSight();
    if (isNew && document.activeElement === document.body) row.focus({ preventScroll: true });
  }

  inSight() {
    [...this.body.rows].find((row) => this.selected.has(this.idOf(row)))?.scrollIntoView({ block: "nearest" });
  }

  clicked(event) {
    const sort = event.target.closest("[data-sort]")?.dataset.sort;
    if (sort) return this.setTriggerValue("sort", sort);
    const row = this.rowOf(event);
    if (!row || !this.data.selectable) return;
    if (event.shiftKey) this.extend(row);
    else if (event.ctrlKey || event.metaKey) this.toggle(row);
    else this.choose(row);
  }

  // The rows were drawn anew while the button of the mouse was down: the browser tells of no click then.
  released(event) {
    const { down } = this;
    this.down = null;
    const row = this.rowOf(event);
    if (!down || down.isConnected || !row || this.idOf(row) !== this.idOf(down)) return;
    this.clicked(event);
    if (event.detail === 2) this.open(row);
  }

  pressed(event) {
    const row = this.rowOf(event);
    if (!row || !this.data.selectable || event.altKey) return;
    const rows = [...this.body.rows];
    const at = rows.indexOf(row);
    const steps = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: rows.length - 1 };
    steps.PageUp = at - PAGE_ROWS;
    steps.PageDown = at + PAGE_ROWS;
    const isCommand = event.ctrlKey || event.metaKey;
    if (Object.hasOwn(steps, event.key)) {
      const next = rows[Math.max(0, Math.min(rows.length - 1, steps[event.key]))];
      next.focus();
      if (event.shiftKey) this.extend(next, event.repeat);
      else if (!isCommand) this.choose(next, event.repeat);
    } else if (event.key === "Enter" && !event.repeat) this.open(row);
    else if (event.key === " ") this.toggle(row);
    else if (event.key === "Escape" && this.selected.size) this.tell([]);
    else if (event.key.toLowerCase() === "a" && isCommand && this.data.several) this.tell(rows.map((one) => this.idOf(one)));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  choose(row, soon = false) {
    this.anchor = this.idOf(row);
    if (this.selected.size === 1 && this.selected.has(this.anchor)) return;
    this.tell([this.anchor], soon);
  }

  toggle(row) {
    const id = this.idOf(row);
    const wanted = new Set(this.data.several ? this.selected : []);
    if (this.selected.has(id)) wanted.delete(id);
    else wanted.add(id);
    this.anchor = id;
    this.tell([...wanted]);
  }

  extend(row, soon = false) {
    if (!this.data.several) return this.choose(row, soon);
    const rows = [...this.body.rows];
    const ends = [rows.indexOf(this.find(this.anchor) ?? row), rows.indexOf(row)].toSorted((a, b) => a - b);
    return this.tell(rows.slice(ends[0], ends[1] + 1).map((one) => this.idOf(one)), soon);
  }

  // Select `ids` (or say again what is selected), at once or, while a key is held down, when it rests.
  tell(ids = null, soon = false) {
    if (ids) {
      this.selected = new Set(ids);
      this.serial += 1;
      this.paint();
    }
    clearTimeout(this.timer);
    this.timer = soon ? setTimeout(() => this.tell(), SOON) : 0;
    if (!soon) this.setStateValue("selection", { ids: [...this.selected], serial: this.serial });
  }

  open(row) {
    if (!row || !this.data.opens) return;
    clearTimeout(this.timer);
    this.timer = 0;
    this.selected = new Set([this.idOf(row)]);
    this.serial += 1;
    this.paint();
    this.setTriggerValue("open", { id: this.idOf(row), serial: this.serial });
  }

  rowOf(event) {
    return event.target.closest?.("tbody tr") ?? null;
  }

  idOf(row) {
    return Number(row.dataset.id);
  }

  find(id) {
    return id === null ? null : (this.body?.querySelector(`tr[data-id="${id}"]`) ?? null);
  }
}

export default function mount({ data, parentElement, setStateValue, setTriggerValue }) {
  if (!tables.has(parentElement)) tables.set(parentElement, new Table(parentElement));
  const table = tables.get(parentElement);
  table.update(JSON.parse(new TextDecoder().decode(data)), setStateValue, setTriggerValue);
  return () => {
    table.end();
    tables.delete(parentElement);
  };
}
