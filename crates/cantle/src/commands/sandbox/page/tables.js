// Tables that follow their data: a row a key, made once, and a cell touched only when what it says changes.

/** Sets an element's text, if it is another. */
export function text(element, value) {
  const said = value ?? "";
  if (element.textContent !== said) element.textContent = said;
}

/** Sets an element's class, if it is another. */
export function look(element, name) {
  if (element.className !== name) element.className = name;
}

/** The one child of a cell, made when there is none. */
export function child(cell, tag, name = "") {
  let element = cell.firstElementChild;
  if (element?.localName !== tag) {
    element = document.createElement(tag);
    cell.replaceChildren(element);
  }
  look(element, name);
  return element;
}

/** Shows an identifier in short; the whole is copied by a click. */
export function identifier(cell, whole, short) {
  if (!whole) return text(cell, "–");
  const button = child(cell, "button", "copy");
  button.type = "button";
  if (button.dataset.copy !== whole) {
    button.dataset.copy = whole;
    button.title = whole;
    button.setAttribute("aria-label", `Copy ${whole}`);
  }
  text(button, short);
}

/** A state in words, with a dot in front. */
export function state(cell, words, mood) {
  text(child(cell, "span", `state ${mood}`), words);
}

/** What is wrong, below a state. */
export function detail(box, words) {
  const trouble = box.querySelector(".trouble") ?? box.appendChild(document.createElement("div"));
  look(trouble, "trouble");
  text(trouble, words);
}

/** Makes a function that brings a table up to date. Columns are functions of a cell and an item. */
export function table(id, columns, keyOf) {
  const element = document.getElementById(id);
  const body = element.tBodies[0];
  const labels = [...element.tHead.rows[0].cells].map((cell) => cell.textContent);
  const numbers = [...element.tHead.rows[0].cells].map((cell) => cell.className);
  const empty = document.querySelector(`.empty[data-for="${id}"]`);
  // Roles are said, as styles that lay rows out as blocks would take them away.
  element.setAttribute("role", "table");
  for (const part of element.querySelectorAll("thead, tbody, tfoot")) part.setAttribute("role", "rowgroup");
  for (const row of element.rows) row.setAttribute("role", "row");
  for (const head of element.querySelectorAll("thead th")) head.setAttribute("role", "columnheader");
  let rows = new Map();

  function make(fresh) {
    const row = document.createElement("tr");
    row.setAttribute("role", "row");
    if (fresh) {
      row.className = "new";
      row.addEventListener("animationend", () => row.classList.remove("new"), { once: true });
    }
    for (const [at, label] of labels.entries()) {
      const cell = row.insertCell();
      cell.setAttribute("role", "cell");
      cell.dataset.label = label;
      if (numbers[at]) cell.className = numbers[at];
    }
    return row;
  }

  /** `fresh`: rows that are not there yet are news. */
  return (items, fresh = false) => {
    const kept = new Map();
    for (const [at, item] of items.entries()) {
      const key = keyOf(item);
      const row = rows.get(key) ?? make(fresh);
      kept.set(key, row);
      rows.delete(key);
      columns.forEach((column, index) => column(row.cells[index], item));
      if (body.rows[at] !== row) body.insertBefore(row, body.rows[at] ?? null);
    }
    for (const row of rows.values()) row.remove();
    rows = kept;
    element.hidden = items.length === 0;
    if (empty) empty.hidden = items.length > 0;
  };
}
