// Tables sort by a click on a heading, and show the rows of chosen levels.
const announcer = document.getElementById("announcer");

// The rows of a group without its caption.
function listRows(group) {
  return [...group.rows].filter((row) => !row.classList.contains("group"));
}

function addSorting(table) {
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, index) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = heading.textContent;
    heading.replaceChildren(button);
    button.addEventListener("click", () => {
      const ascending = heading.getAttribute("aria-sort") !== "ascending";
      headings.forEach((other) => other.setAttribute("aria-sort", "none"));
      heading.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      const number = heading.classList.contains("number");
      const key = (row) => {
        const cell = row.cells[index];
        return cell.dataset.sort === "=" ? cell.textContent : cell.dataset.sort; // = stands for what is shown
      };
      const compare = (a, b) => (number ? a - b : a.localeCompare(b, "en", { numeric: true }));
      const order = (left, right) => {
        const [a, b] = [key(left), key(right)];
        if (a === "" || b === "") return (a === "") - (b === ""); // what is missing stays at the end
        return ascending ? compare(a, b) : compare(b, a);
      };
      for (const group of table.tBodies) group.append(...listRows(group).sort(order));
      announcer.textContent = `Sorted by ${button.textContent}, ${ascending ? "ascending" : "descending"}.`;
    });
  });
}

// A row is shown if it has the level chosen in every filter.
function addFilters(box, table) {
  const tools = box.querySelector(".tools");
  if (!tools) return;
  const choices = [...tools.querySelectorAll("[data-filter]")];
  const columns = tools.querySelector("[data-columns]");
  const count = tools.querySelector(".count");
  const groups = [...table.tBodies];
  const rows = groups.flatMap(listRows);
  const levels = new Map(rows.map((row) => [row, (row.dataset.levels || "").split(" ")]));
  const filter = () => {
    const wanted = choices.map((choice) => choice.value);
    for (const row of rows) row.hidden = wanted.some((level, place) => level !== "" && levels.get(row)[place] !== level);
    for (const group of groups) group.hidden = listRows(group).every((row) => row.hidden);
    count.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} rows`;
  };
  for (const choice of choices) choice.addEventListener("change", filter);
  if (columns) columns.addEventListener("change", () => table.classList.toggle("all", columns.checked));
  tools.hidden = false;
  if (choices.length) filter();
}

function equip(part) {
  for (const box of part.querySelectorAll("[data-table]")) {
    const table = box.querySelector("table");
    addSorting(table);
    addFilters(box, table);
  }
}

// Every condition minus the one chosen; a pair stands in the page one way round.
function addBaseline() {
  const box = document.querySelector("[data-baseline]");
  if (!box) return;
  const pairs = JSON.parse(document.getElementById("pairs").textContent);
  const choice = box.querySelector("select");
  const body = box.querySelector("tbody");
  const turn = (text) => text.replace(/^[−+]/, (sign) => (sign === "+" ? "−" : "+"));
  const show = () => {
    const chosen = Number(choice.value);
    body.replaceChildren();
    for (const [first, second, effect, low, high, p, status] of pairs) {
      if (first !== chosen && second !== chosen) continue;
      const isTurned = first === chosen;
      const ends = isTurned ? [turn(high), turn(low)] : [low, high];
      const label = choice.options[isTurned ? second : first].textContent;
      const row = body.insertRow();
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = label;
      row.append(head);
      for (const text of [isTurned ? turn(effect) : effect, low ? `[${ends.join(", ")}]` : "–", p]) {
        const cell = row.insertCell();
        cell.className = "number";
        cell.textContent = text;
      }
      row.insertCell().textContent = status;
    }
  };
  choice.addEventListener("change", () => {
    show();
    announcer.textContent = `Compared with ${choice.selectedOptions[0].textContent}.`;
  });
  show();
}
