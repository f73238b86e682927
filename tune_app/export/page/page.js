// The page: what is folded opens, what is packed is unpacked, and the navigation marks where one is.
const packs = {}; // by name, what packs hold: parts by the ids of their elements

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

// A link to what is folded, or lies in what is folded, opens it.
function openTarget() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  const folded = [];
  for (let part = target; part; part = part.parentElement?.closest("details")) {
    if (part.matches("details") && !part.open) folded.push(part);
  }
  for (const part of folded) part.open = true;
  if (!target.matches("details")) return;
  target.querySelector("summary").focus({ preventScroll: true });
  target.scrollIntoView();
}

// The link whose section is at the top of the window is the current one.
function markPlace() {
  const bar = document.querySelector("nav");
  const list = bar.querySelector("ul");
  const links = [...bar.querySelectorAll("a")];
  const sections = links.map((link) => document.getElementById(link.hash.slice(1)));
  let waiting = false;
  let chosen = -1; // the link that was followed: its section may be too near the end to come to the top
  const mark = () => {
    waiting = false;
    const edge = bar.getBoundingClientRect().bottom + 40;
    const isEnd = window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - 2;
    let place = sections.findLastIndex((section) => section.getBoundingClientRect().top <= edge);
    if (isEnd && window.scrollY > 0) place = links.length - 1;
    if (chosen >= 0) place = chosen;
    links.forEach((link, index) => {
      if (index !== Math.max(0, place)) link.removeAttribute("aria-current");
      else if (!link.hasAttribute("aria-current")) {
        link.setAttribute("aria-current", "location");
        list.scrollLeft = link.offsetLeft - list.offsetLeft - (list.clientWidth - link.offsetWidth) / 2;
      }
    });
  };
  links.forEach((link, index) => link.addEventListener("click", () => {
    chosen = index;
    mark();
  }));
  for (const name of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    window.addEventListener(name, () => { chosen = -1; }, { passive: true });
  }
  window.addEventListener("scroll", () => {
    if (!waiting) requestAnimationFrame(mark);
    waiting = true;
  }, { passive: true });
  mark();
}

// On paper what matters is open; afterwards it is as it was.
function openForPrint() {
  let opened = [];
  window.addEventListener("beforeprint", () => {
    opened = [...document.querySelectorAll("details[data-print]:not([open])")];
    for (const details of opened) details.open = true;
  });
  window.addEventListener("afterprint", () => {
    for (const details of opened) details.open = false;
  });
}

async function start() {
  equip(document);
  addBaseline();
  markPlace();
  openForPrint();
  for (const details of document.querySelectorAll("details")) {
    details.addEventListener("toggle", async () => {
      if (!details.open) return;
      await fill(details);
      if (content) drawAll(details, false);
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
  const charts = document.getElementById("charts");
  content = charts.type === "application/json" ? JSON.parse(charts.textContent) : await inflate(charts);
  openTarget();
  if (document.querySelector("[data-pack]")) drawInView();
  else await drawAll(document.body);
  document.documentElement.dataset.ready = "true";
}
start();
