"use strict";
// The page's data, and what every other part uses: elements, numbers and their words.
const byId = (id) => document.getElementById(id);
const data = JSON.parse(byId("data").textContent);
const { labels } = data;

function make(name, kind, ...children) {
  const element = document.createElement(name);
  if (kind) element.className = kind;
  element.append(...children);
  return element;
}

const bytes = (base64) => Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
const sign = (value) => (value > 0 ? "pos" : "neg");

// A number of size `scale` has three significant digits; the sign is always there.
function signed(value, scale) {
  if (scale !== 0 && !(scale >= 1e-4 && scale < 1e9)) {
    return (value < 0 ? "−" : "+") + Math.abs(value).toExponential(2).replace("-", "−");
  }
  const digits = scale ? Math.max(2 - Math.floor(Math.log10(scale)), 0) : 2;
  const rounded = Number(value.toFixed(digits)) + 0; // adding 0 turns -0 into 0
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return (rounded < 0 ? "−" : "+") + Math.abs(rounded).toLocaleString("en-US", options);
}

const unsigned = (error, scale) => signed(error, scale).slice(1);
const isZero = (value, scale) => /^.[0.,]+$/.test(signed(value, scale));

// The labels of a set, with a sign between them.
function named(set) {
  const names = make("span", "names");
  for (const feature of set) {
    if (names.hasChildNodes()) names.append(make("span", "times", "×"));
    names.append(make("bdi", "", labels[feature]));
  }
  return names;
}

// One row: names, a bar from the middle, the value and its standard error. Noise has no colour.
function fillRow(row, set, term) {
  const { scale } = terms, error = errorOf(term), noise = isNoise(term), tone = noise ? "noise" : sign(term[1]);
  const fill = make("i", sign(term[1])), bar = make("span", "bar", fill);
  const value = make("span", `value ${tone}`, signed(term[1], scale));
  fill.style.setProperty("--share", Math.abs(term[1]) / scale);
  bar.setAttribute("aria-hidden", "true");
  if (error) value.append(make("small", "", ` ±${unsigned(error, scale)}`));
  if (noise) value.title = "within two standard errors of zero: it may be noise";
  row.classList.toggle("noise", noise);
  row.append(named(set), bar, value);
  return row;
}
