// The terms of the index that is shown, as far as the filter lets them through.
const terms = { table: data.tables[0], all: [], scale: 0, order: 0, strength: 0 };

function chooseTable(number) {
  terms.table = data.tables[number];
  terms.scale = Math.max(0, ...terms.table.terms.map(([, value]) => Math.abs(value)));
  filterTerms(terms.order, terms.strength);
}

function filterTerms(order, strength) {
  Object.assign(terms, { order, strength });
  terms.all = terms.table.terms.filter(
    ([set, value]) => (!order || set.length === order) && Math.abs(value) >= strength * terms.scale,
  );
}

// A term's own standard error, or the typical one of its order; 0 if there is none.
const errorOf = ([set, , error]) => error ?? terms.table.typical[set.length] ?? 0;
const isNoise = (term) => Math.abs(term[1]) < 2 * errorOf(term) || isZero(term[1], terms.scale);
const jointTerms = () => terms.all.filter(([set]) => set.length > 1);
const singleTerms = () => terms.all.filter(([set]) => set.length === 1);
