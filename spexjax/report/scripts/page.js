// What is shown for a unit or a set, and the controls.
const subject = byId("subject"), list = byId("links"), hint = subject.textContent;
const ARCS = 6, PER_UNIT = 6;
let current = overview;

function show(view) {
  current = view;
  view();
}

function describe(words, sets, without) {
  subject.replaceChildren(...words);
  list.replaceChildren(
    ...sets.map((term) => fillRow(make("li", "link"), term[0].filter((feature) => feature !== without), term)),
  );
  drawArcs(sets.filter((term) => !isNoise(term)));
}

function overview() {
  unmark();
  const clear = jointTerms().filter((term) => !isNoise(term)).slice(0, ARCS);
  const why = terms.table.single ? `${terms.table.name} has no values for combinations` : "No combination stands out";
  describe([clear.length ? hint : `${why}, so there are no arcs. ${hint.split(". ")[1]}`], clear);
  byId("panel").classList.remove("active");
}

function viewSet(term) {
  unmark();
  for (const feature of term[0]) mark(feature, "partner", term[1]);
  describe([term[0].length > 1 ? "Together:" : "Alone:"], [term]);
}

function viewUnit(feature) {
  unmark();
  const single = terms.table.terms.find(([set]) => set.length === 1 && set[0] === feature);
  const own = jointTerms().filter(([set, value]) => set.includes(feature) && !isZero(value, terms.scale));
  const sets = own.slice(0, PER_UNIT);
  mark(feature, "centre");
  for (const [set, value] of sets.filter((term) => !isNoise(term))) for (const i of set) mark(i, "partner", value);
  const error = single && errorOf(single) ? ` ±${unsigned(errorOf(single), terms.scale)}` : "";
  const alone = single ? ` alone ${signed(single[1], terms.scale)}${error}` : " has no effect alone";
  const noise = single && isNoise(single) ? ", which may be noise" : "";
  byId("panel").classList.add("active");
  const others = sets.length ? "; together with others:" : "";
  describe([make("bdi", "", labels[feature]), alone + noise + others], sets, feature);
}

// Scrolls a unit out from under the panel, where that sticks to the bottom of the window.
function uncover(unit) {
  const hidden = unit.getBoundingClientRect().bottom - byId("panel").getBoundingClientRect().top;
  if (hidden > 0) scrollBy(0, hidden + 8);
}

function refresh() {
  const order = Number(byId("order").value), strength = byId("strength").value / 100;
  byId("share").textContent = `${byId("strength").value} %`;
  chooseTable(byId("index").value);
  filterTerms(order, strength);
  paint();
  fillLists();
  show(overview);
}

for (const [feature, unit] of units) {
  const view = () => show(() => viewUnit(feature));
  const act = () => byId("whatif").getAttribute("aria-pressed") === "true" && toggleUnit(feature);
  unit.addEventListener("mouseenter", view);
  unit.addEventListener("focus", () => {
    view();
    uncover(unit);
  });
  unit.addEventListener("click", act);
  unit.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  });
}
text.addEventListener("mouseleave", () => show(overview));
text.addEventListener("focusout", (event) => text.contains(event.relatedTarget) || show(overview));
text.addEventListener("keydown", (event) => event.key === "Escape" && event.target.blur());
roving(text, () => [...units.values()]);

const orders = Math.max(1, ...data.tables.flatMap(({ terms: all }) => all.map(([set]) => set.length)));
for (let order = 1; order <= orders; order++) {
  byId("order").append(new Option(order === 1 ? "1 (single)" : `${order}`, order));
}
for (const id of ["index", "order", "strength"]) byId(id).addEventListener("input", refresh);
byId("whatif").addEventListener("click", () => whatIf(byId("whatif").getAttribute("aria-pressed") !== "true"));
byId("restore").addEventListener("click", restoreAll);

// Paper is narrower than most screens: the text gets the width it will be printed with before the arcs are drawn.
function forPrint(on) {
  document.body.classList.toggle("printing", on);
  current();
}
addEventListener("beforeprint", () => forPrint(true));
addEventListener("afterprint", () => forPrint(false));
matchMedia("print").addEventListener("change", ({ matches }) => forPrint(matches));
refresh();
new ResizeObserver(() => current()).observe(text);
document.body.classList.add("ready");
