// What the fitted function predicts if units are removed, and what the model did where that very mask was evaluated.
const removed = new Set();

function decodeSpectrum({ constant, orders, features, coefficients }) {
  const Features = labels.length > 0xffff ? Uint32Array : Uint16Array;
  return {
    constant,
    orders: new Uint16Array(bytes(orders).buffer),
    features: new Features(bytes(features).buffer),
    coefficients: new Float32Array(bytes(coefficients).buffer),
  };
}

const spectrum = decodeSpectrum(data.prediction);

// sum_S F(S) (-1)^{|S ∩ x|} and the mean of the terms that are missing; true values at both ends.
function predict(gone) {
  const n = labels.length, { ends, offsets } = data.prediction;
  if (gone.size === 0 || gone.size === n) return ends[gone.size ? 1 : 0];
  let total = spectrum.constant + offsets[n - gone.size], at = 0;
  for (let k = 0; k < spectrum.orders.length; k++) {
    let odd = false;
    for (const end = at + spectrum.orders[k]; at < end; at++) odd = odd !== !gone.has(spectrum.features[at]);
    total += odd ? -spectrum.coefficients[k] : spectrum.coefficients[k];
  }
  return total;
}

// The values by mask, a mask being the string of its bits.
const evaluated = new Map();
if (data.evaluated) {
  const masks = bytes(data.evaluated.masks), values = new Float32Array(bytes(data.evaluated.values).buffer);
  const width = Math.ceil(labels.length / 8);
  values.forEach((value, row) => evaluated.set(String(masks.subarray(row * width, (row + 1) * width)), value));
}

function truth(gone) {
  const bits = new Uint8Array(Math.ceil(labels.length / 8));
  for (let i = 0; i < labels.length; i++) if (!gone.has(i)) bits[i >> 3] |= 128 >> (i & 7);
  return evaluated.get(String(bits));
}

function inWords(value) {
  const p = data.probability === "exp" ? Math.exp(Math.min(0, value)) : 1 / (1 + Math.exp(-value));
  return data.probability ? ` (${Number((100 * p).toPrecision(3))} % for “${data.answer}”)` : "";
}

function showPrediction() {
  const value = predict(removed), known = truth(removed), kept = labels.length - removed.size;
  const full = data.prediction.ends[0], scale = Math.max(Math.abs(value), Math.abs(full));
  const isEnd = known !== undefined && (!removed.size || !kept), error = isEnd ? 0 : data.prediction.errors[kept];
  const predicted = `${signed(value, scale)}${error ? ` ± ${unsigned(error, scale)}` : ""}`;
  const whole = `Nothing is removed: ${signed(full, scale)}${inWords(full)}. `;
  const change = `${signed(value - full, scale)} against everything kept`;
  const measured = known === undefined ? "not evaluated" : `evaluated: ${signed(known, scale)}`;
  const words = removed.size
    ? [`${removed.size} removed: `, make("b", "", predicted), `${inWords(value)}, ${change}; ${measured}.`]
    : [whole, "Click units, or press Enter on them, to remove them."];
  byId("prediction").replaceChildren(...words);
}

function toggleUnit(feature) {
  if (!removed.delete(feature)) removed.add(feature);
  const unit = units.get(feature), gone = removed.has(feature);
  unit.classList.toggle("removed", gone);
  unit.setAttribute("aria-pressed", gone);
  showPrediction();
}

function restoreAll() {
  for (const feature of [...removed]) toggleUnit(feature);
}

function whatIf(on) {
  restoreAll();
  for (const unit of units.values()) {
    if (on) unit.setAttribute("aria-pressed", "false");
    else unit.removeAttribute("aria-pressed");
  }
  byId("whatif").setAttribute("aria-pressed", on);
  byId("prediction").hidden = byId("restore").hidden = !on;
  showPrediction();
}
