// What figures/layout.py does to the files: a chart as wide as the page allows, fewer panels in a row, and in a narrow
// window the labels of rows above their marks. Its numbers are in `content.layout`.
function fitChart(content, spec, config, available) {
  const { panel, margin, gap, narrow, above, down, bar, behind, pictures } = content.layout;
  const isNarrow = available < narrow;
  if (isNarrow) {
    for (const [name, part] of Object.entries(content.config.narrow)) config[name] = { ...config[name], ...part };
  }
  if (spec.facet && spec.columns) {
    if (typeof spec.spec.width !== "number") { // its cells have a size of their own
      if (isNarrow) spec.columns = 1;
      return;
    }
    const hasOwn = spec.resolve?.scale?.y === "independent"; // an axis for each panel
    const most = hasOwn ? available / (panel + margin) : (available - margin) / panel;
    spec.columns = Math.max(1, Math.min(spec.columns, Math.floor(most)));
    const axes = margin * (hasOwn ? spec.columns : 1);
    spec.spec.width = Math.floor((available - axes - (spec.columns - 1) * gap) / spec.columns);
    return;
  }
  if (isNarrow && spec.layer?.[0].mark.type === "image") spec.transform = [{ filter: `datum.rank <= ${pictures}` }];
  if (spec.width !== content.width) return;
  spec.width = available; // which holds its labels too: see its autosize
  const domains = spec.layer.map(({ encoding: { y } }) => y?.type === "nominal" && y.scale?.domain).filter(Boolean);
  if (!isNarrow || !domains.length) return;
  const rows = domains[0].length;
  spec.height += above * rows;
  spec.layer = spec.layer.filter((layer) => layer.mark.style !== "aside");
  for (const { mark, encoding } of spec.layer) {
    if (encoding.y?.type !== "nominal" || behind.includes(mark.style)) continue;
    mark.yOffset = down + (mark.yOffset || 0);
    if (encoding.y2) mark.y2Offset = down;
    if (mark.height) mark.height = { band: bar };
  }
  config.axisYBand.labelOffset = 8 - spec.height / rows / 2;
}
