(() => {
  const packs = {}; // by name, what packs hold: parts by the ids of their elements
  let content;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const announcer = document.getElementById("announcer");

  function unfold(columns) {
    const names = Object.keys(columns);
    const lists = Object.values(columns).map(
      (column) => (Array.isArray(column) ? column : column.codes.map((code) => column.levels[code])),
    );
    return (lists[0] || []).map((_, row) => Object.fromEntries(names.map((name, index) => [name, lists[index][row]])));
  }

  async function draw(element) {
    const figure = content.figures[element.dataset.chart];
    const available = Math.min(element.clientWidth, content.layout.widest);
    const spec = structuredClone(content.specs[figure.spec]);
    const config = structuredClone(dark.matches ? content.config.dark : content.config.light);
    fitChart(content, spec, config, available);
    spec.description = figure.description;
    spec.datasets = Object.fromEntries(
      figure.data.map((name, index) => [`data-${index}`, unfold(content.datasets[name])]),
    );
    if (element.view) element.view.finalize();
    element.view = await window.vegaEmbed(element, spec, {
      mode: "vega-lite", renderer: "svg", actions: false, ast: true, config, defaultStyle: false,
      logLevel: 1, // errors: layers that a filter leaves empty would warn of their infinite extent
      tooltip: { theme: dark.matches ? "dark" : "light", disableDefaultStyle: true }, // the policy lets in page.css alone
    });
    element.dataset.drawn = dark.matches ? "dark" : "light"; // a browser prints what is drawn: page.css turns dark round
  }

  async function drawAll(within) {
    for (const element of within.querySelectorAll("[data-chart]")) {
      if (element.clientWidth) await draw(element);
    }
  }

  // Figures of a large page are drawn when they are about to be seen.
  function drawInView() {
    const observer = new IntersectionObserver((entries) => {
      for (const { target, isIntersecting } of entries) {
        if (!isIntersecting) continue;
        observer.unobserve(target);
        draw(target);
      }
    }, { rootMargin: "600px" });
    for (const element of document.querySelectorAll("[data-chart]")) observer.observe(element);
  }

  // The rows of a group without its caption.
  function listRows(group) {
    return [...group.rows].filter((row) => !row.classList.contains("group"));
  }

  function addFilter(box, table) {
    const groups = [...table.tBodies];
    const rows = groups.flatMap(listRows);
    const bar = document.createElement("div");
    const label = document.createElement("label");
    const input = document.createElement("input");
    const count = document.createElement("span");
    bar.className = "filter";
    input.type = "search";
    input.id = `filter-${box.dataset.table}`;
    label.htmlFor = input.id;
    label.textContent = "Rows with";
    count.setAttribute("role", "status");
    const report = (shown) => { count.textContent = `${shown} of ${rows.length} rows`; };
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      for (const row of rows) {
        const text = row.textContent.toLowerCase();
        row.hidden = !words.every((word) => text.includes(word));
      }
      for (const group of groups) group.hidden = listRows(group).every((row) => row.hidden);
      report(rows.filter((row) => !row.hidden).length);
    });
    report(rows.length);
    bar.append(label, input, count);
    box.prepend(bar);
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

  function equip(part) {
    for (const box of part.querySelectorAll("[data-table]")) {
      const table = box.querySelector("table");
      addSorting(table);
      if ([...table.tBodies].flatMap(listRows).length > 5 && !box.closest("details")) addFilter(box, table);
    }
  }

  async function inflate(packed) {
    const bytes = Uint8Array.from(atob(packed.textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  }

  async function readPack(name) {
    const pack = await inflate(document.getElementById(name));
    Object.assign(content.datasets, pack.datasets);
    Object.assign(content.figures, pack.figures);
    return pack.parts;
  }

  // What a large page keeps packed is put where it belongs when that is first opened.
  async function fill(details) {
    const name = details.dataset.pack;
    if (!name) return;
    delete details.dataset.pack;
    packs[name] ??= readPack(name);
    const parts = await packs[name];
    details.insertAdjacentHTML("beforeend", parts[details.id]);
    equip(details);
  }

  function openTarget() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (target && target.matches("details")) {
      target.open = true;
      target.querySelector("summary").focus();
      target.scrollIntoView();
    }
  }

  equip(document);
  for (const details of document.querySelectorAll("details.trial, details.metric")) {
    details.addEventListener("toggle", async () => {
      if (!details.open) return;
      await fill(details);
      if (!details.querySelector("[data-drawn]")) drawAll(details);
    });
  }
  let width = window.innerWidth;
  let pending;
  window.addEventListener("resize", () => {
    clearTimeout(pending);
    pending = setTimeout(() => {
      if (window.innerWidth !== width) drawAll(document.body);
      width = window.innerWidth;
    }, 250);
  });
  dark.addEventListener("change", () => drawAll(document.body));
  window.addEventListener("hashchange", openTarget);
  async function start() {
    const charts = document.getElementById("charts");
    content = charts.type === "application/json" ? JSON.parse(charts.textContent) : await inflate(charts);
    openTarget();
    if (document.querySelector("[data-pack]")) drawInView();
    else await drawAll(document.body);
    document.documentElement.dataset.ready = "true";
  }
  start();
})();
