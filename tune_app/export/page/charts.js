// Figures are drawn where they are seen, from data that they share.
let content;
const dark = window.matchMedia("(prefers-color-scheme: dark)");

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

// Draws what has a place within, and is not in a part that is folded.
async function drawAll(within, again = true) {
  for (const element of within.querySelectorAll("[data-chart]")) {
    if (!element.closest("details:not([open])") && (again || !element.dataset.drawn)) await draw(element);
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
