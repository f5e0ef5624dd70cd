// The ranked lists. What is within two standard errors of zero is folded away below the others.
function rankedRow(term, rank) {
  const row = make("li", "row", make("span", "rank", rank));
  row.tabIndex = -1;
  fillRow(row, term[0], term);
  const view = () => show(() => viewSet(term));
  row.addEventListener("mouseenter", view);
  row.addEventListener("focus", view);
  row.addEventListener("mouseleave", () => show(overview));
  row.addEventListener("blur", () => show(overview));
  row.addEventListener("click", () => units.get(term[0][0])?.scrollIntoView({ block: "center" }));
  row.addEventListener("keydown", (event) => event.key === "Enter" && row.click());
  return row;
}

function fillList(place, ranked, total, none) {
  const clear = ranked.filter((term) => !isNoise(term)).slice(0, data.top);
  const noise = ranked.filter(isNoise).slice(0, Math.max(0, data.top - clear.length));
  const rows = (some, from) => make("ol", "", ...some.map((term, k) => rankedRow(term, from + k + 1)));
  place.replaceChildren();
  if (clear.length) place.append(rows(clear, 0));
  if (!clear.length) place.append(make("p", "rest", ranked.length ? "None stands out from the noise." : none));
  if (noise.length) {
    const summary = make("summary", "", `${noise.length} within two standard errors of zero: they may be noise`);
    place.append(make("details", "", summary, rows(noise, clear.length)));
  }
  const rest = total - clear.length - noise.length;
  if (ranked.length && rest > 0) place.append(make("p", "rest", `and ${rest.toLocaleString("en-US")} weaker ones`));
  const first = place.querySelector(".row");
  if (first) first.tabIndex = 0;
}

function fillLists() {
  const { table, order, strength } = terms, filtered = order || strength;
  const onlySingles = `${table.name} gives every feature a value and none to combinations; choose FSII to see them.`;
  const none = filtered ? "The filter lets none through." : "No interaction of two or more features.";
  byId("about").textContent = table.about;
  const noSingle = filtered ? none : "No feature has an effect on its own.";
  fillList(byId("joint-list"), jointTerms(), filtered ? 0 : table.count, table.single ? onlySingles : none);
  fillList(byId("single-list"), singleTerms(), filtered ? 0 : table.singles, noSingle);
}

for (const id of ["joint-list", "single-list"]) {
  roving(byId(id), () => [...byId(id).querySelectorAll(".row")].filter((row) => row.offsetParent));
}
