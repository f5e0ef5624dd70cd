// The units: their colours, and which of them are marked.
const units = new Map([...text.querySelectorAll(".unit")].map((unit) => [Number(unit.dataset.feature), unit]));
const reading = [...units.keys()];
const marked = new Set();

// Colours every unit by its own value. What may be noise stays plain.
function paint() {
  const singles = new Map(terms.table.terms.filter(([set]) => set.length === 1).map((term) => [term[0][0], term]));
  const strongest = Math.max(0, ...[...singles.values()].map(([, value]) => Math.abs(value)));
  for (const [feature, unit] of units) {
    const term = singles.get(feature), plain = !term || isNoise(term);
    unit.classList.toggle("pos", !plain && term[1] > 0);
    unit.classList.toggle("neg", !plain && term[1] < 0);
    unit.style.setProperty("--share", plain ? 0 : Math.abs(term[1]) / strongest);
    const value = term ? signed(term[1], terms.scale) + (isNoise(term) ? ", may be noise" : "") : "no value";
    unit.setAttribute("aria-label", `${labels[feature]}, ${value}`);
  }
}

function unmark() {
  text.classList.remove("focused");
  for (const unit of marked) unit.classList.remove("centre", "partner");
  marked.clear();
}

function mark(feature, kind, value) {
  const unit = units.get(feature);
  text.classList.add("focused");
  if (!unit || marked.has(unit)) return;
  unit.classList.add(kind);
  if (value !== undefined) unit.style.setProperty("--link", `var(--${sign(value)})`);
  marked.add(unit);
}

// One tab stop for several elements; the arrow keys walk through them.
function roving(container, items) {
  container.addEventListener("keydown", (event) => {
    const all = items(), here = all.indexOf(event.target);
    const forward = getComputedStyle(container).direction === "rtl" ? -1 : 1;
    const step = { ArrowRight: forward, ArrowLeft: -forward, ArrowDown: 1, ArrowUp: -1 }[event.key];
    const next = { Home: 0, End: all.length - 1 }[event.key] ?? (step === undefined ? -1 : here + step);
    if (here < 0 || !all[next]) return;
    event.preventDefault();
    all[here].tabIndex = -1;
    all[next].tabIndex = 0;
    all[next].focus();
  });
}
