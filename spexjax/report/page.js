
"use strict";
const { labels, interactions, shown } = JSON.parse(document.getElementById("data").textContent);
const text = document.getElementById("text"), arcs = document.getElementById("arcs");
const subject = document.getElementById("subject"), list = document.getElementById("links");
const hint = subject.textContent;
const units = new Map([...text.querySelectorAll(".unit")].map((unit) => [Number(unit.dataset.feature), unit]));
const reading = [...units.keys()];
const joint = interactions.filter(([set]) => set.length > 1);
const strongest = Math.max(...joint.map(([, value]) => Math.abs(value)));
const PER_UNIT = 6;
let current = overview;

function make(name, kind, content) {
  const element = document.createElement(name);
  element.className = kind;
  if (content !== undefined) element.textContent = content;
  return element;
}

function svg(name, kind, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  element.setAttribute("class", kind);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  arcs.append(element);
}

const sign = (value) => (value > 0 ? "pos" : "neg");

// Over the line for units side by side; from under the upper to over the lower one otherwise.
function arc(first, second, value, frame) {
  const above = [...first.getClientRects()].pop(), below = second.getClientRects()[0];
  if (!above || !below) return;
  const x1 = (above.left + above.right) / 2 - frame.left, x2 = (below.left + below.right) / 2 - frame.left;
  const level = Math.abs(above.top - below.top) < above.height / 2;
  const y1 = (level ? above.top : above.bottom) - frame.top, y2 = below.top - frame.top;
  const bend = level ? -Math.min(30, 10 + Math.abs(x2 - x1) / 8) : Math.max(14, (y2 - y1) / 2);
  const curve = `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${level ? y2 + bend : y2 - bend} ${x2} ${y2}`;
  svg("path", sign(value), { d: curve, "stroke-width": 1 + (3.5 * Math.abs(value)) / strongest });
  svg("circle", sign(value), { cx: x1, cy: y1, r: 2.5 });
  svg("circle", sign(value), { cx: x2, cy: y2, r: 2.5 });
}

function clear() {
  arcs.replaceChildren();
  text.classList.remove("focused");
  for (const unit of units.values()) unit.classList.remove("centre", "partner");
}

// Draws the interactions and lists them, without the feature they are listed for.
function link(sets, subjectFeature) {
  const frame = text.getBoundingClientRect();
  for (const [set, value] of sets) {
    const members = reading.filter((feature) => set.includes(feature)).map((feature) => units.get(feature));
    for (let i = 1; i < members.length; i++) arc(members[i - 1], members[i], value, frame);
  }
  list.replaceChildren(...sets.map((term) => entry(term, subjectFeature)));
}

function entry([set, value, number], subjectFeature) {
  const item = make("li", "link"), names = make("span", "names"), bar = make("span", "bar");
  for (const feature of set.filter((i) => i !== subjectFeature)) {
    if (names.hasChildNodes() || subjectFeature !== undefined) names.append(make("span", "times", "×"));
    names.append(make("bdi", "", labels[feature]));
  }
  bar.append(make("i", sign(value)));
  bar.firstChild.style.setProperty("--share", Math.abs(value) / strongest);
  item.append(names, bar, make("span", `value ${sign(value)}`, number));
  return item;
}

function overview() {
  clear();
  link(joint.slice(0, shown));
  subject.textContent = hint;
}

function mark(set, value) {
  text.classList.add("focused");
  for (const feature of set) {
    const unit = units.get(feature);
    if (!unit || unit.matches(".centre, .partner")) continue;
    unit.classList.add("partner");
    unit.style.setProperty("--link", `var(--${sign(value)})`);
  }
}

function showSet(term) {
  clear();
  mark(term[0], term[1]);
  link([term]);
}

function showUnit(feature) {
  clear();
  const single = interactions.find(([set]) => set.length === 1 && set[0] === feature);
  const sets = joint.filter(([set]) => set.includes(feature)).slice(0, PER_UNIT);
  units.get(feature)?.classList.add("centre");
  text.classList.add("focused");
  for (const [set, value] of sets) mark(set, value);
  link(sets, feature);
  const alone = single ? ` alone ${single[2]}` : " has no effect alone";
  subject.replaceChildren(make("bdi", "", labels[feature]), alone + (sets.length ? "; together with others:" : ""));
}

function show(view) {
  current = view;
  view();
}

for (const [feature, unit] of units) {
  const view = () => show(() => showUnit(feature));
  unit.addEventListener("mouseenter", view);
  unit.addEventListener("focus", view);
}
text.addEventListener("mouseleave", () => show(overview));
text.addEventListener("focusout", (event) => text.contains(event.relatedTarget) || show(overview));
for (const row of document.querySelectorAll("[data-set]")) {
  row.addEventListener("mouseenter", () => show(() => showSet(interactions[row.dataset.set])));
  row.addEventListener("mouseleave", () => show(overview));
}
// One tab stop for the whole text; the arrow keys walk through it.
text.addEventListener("keydown", (event) => {
  if (event.key === "Escape") return event.target.blur();
  const forward = getComputedStyle(text).direction === "rtl" ? -1 : 1;
  const step = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1 }[event.key];
  const here = reading.indexOf(Number(event.target.dataset.feature));
  const next = { Home: 0, End: reading.length - 1 }[event.key] ?? (step === undefined ? -1 : here + step);
  if (here < 0 || !units.has(reading[next])) return;
  event.preventDefault();
  units.get(reading[here]).tabIndex = -1;
  units.get(reading[next]).tabIndex = 0;
  units.get(reading[next]).focus();
});
new ResizeObserver(() => current()).observe(text); // also once at the start
