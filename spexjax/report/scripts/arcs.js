// Arcs between the units of a set. They run between the lines and along the edges, never through words.
const text = byId("text"), arcs = byId("arcs");

function draw(name, kind, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  element.setAttribute("class", kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  arcs.append(element);
}

const boxes = (unit) => [...unit.getClientRects()].filter((box) => box.width > 0);

// From (x, y) up to the height `level`, then along to the edge at `side`, with corners of radius r.
function corner(x, y, level, side) {
  const r = Math.max(0, Math.min(5, Math.abs(x - side) / 2, y - level));
  return { x, y, level, side, r, turn: x > side ? -r : r };
}

function edgePath(a, b) {
  const start = `M${a.x} ${a.y}V${a.level + a.r}Q${a.x} ${a.level} ${a.x + a.turn} ${a.level}`;
  const along = `H${a.side - a.turn}Q${a.side} ${a.level} ${a.side} ${a.level + a.r}`;
  const down = `V${b.level - b.r}Q${b.side} ${b.level} ${b.side - b.turn} ${b.level}`;
  return `${start}${along}${down}H${b.x + b.turn}Q${b.x} ${b.level} ${b.x} ${b.level + b.r}V${b.y}`;
}

function arc(first, second, value, strongest, lane, frame) {
  const a = boxes(first).pop(), b = boxes(second)[0];
  if (!a || !b) return;
  const left = frame.left - text.scrollLeft; // a wide grid is scrolled
  const x1 = (a.left + a.right) / 2 - left, x2 = (b.left + b.right) / 2 - left;
  const top1 = a.top - frame.top, top2 = b.top - frame.top, bottom1 = a.bottom - frame.top;
  const gap = parseFloat(getComputedStyle(text).getPropertyValue("--gap")) || 12;
  let curve, y1 = top1;
  if (Math.abs(top1 - top2) < a.height / 2) { // side by side: over the line
    const room = top1 < 2 * gap ? top1 : gap; // there is more of it above the first line
    const rise = Math.min(room - 3, 6 + Math.abs(x2 - x1) / 10 + lane) / 0.75;
    curve = `M${x1} ${top1}C${x1} ${top1 - rise} ${x2} ${top2 - rise} ${x2} ${top2}`;
  } else if (top2 > bottom1 - 2 && top2 - bottom1 < a.height) { // the next line: between the two
    const bend = (top2 - bottom1) / 2;
    y1 = bottom1;
    curve = `M${x1} ${bottom1}C${x1} ${bottom1 + bend} ${x2} ${top2 - bend} ${x2} ${top2}`;
  } else {
    const inset = 4 + 3 * (lane % 5), level = 3 + ((2 * lane) % Math.max(2, gap - 6));
    const side = x1 + x2 < text.scrollWidth ? inset : text.scrollWidth - inset;
    curve = edgePath(corner(x1, top1, top1 - level, side), corner(x2, top2, top2 - level, side));
  }
  const width = 1.2 + (3 * Math.abs(value)) / strongest;
  draw("path", sign(value), { d: curve, "stroke-width": width });
  draw("circle", sign(value), { cx: x1, cy: y1, r: 2.5 });
  draw("circle", sign(value), { cx: x2, cy: top2, r: 2.5 });
}

function drawArcs(sets) {
  const frame = text.getBoundingClientRect();
  const strongest = Math.max(...sets.map(([, value]) => Math.abs(value)));
  arcs.replaceChildren();
  sets.forEach(([set, value], lane) => {
    const members = reading.filter((feature) => set.includes(feature)).map((feature) => units.get(feature));
    for (let i = 1; i < members.length; i++) arc(members[i - 1], members[i], value, strongest, lane, frame);
  });
}
