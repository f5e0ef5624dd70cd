"use strict";
// Tables are sorted by the column whose heading is pressed; a second press turns the order around.
for (const table of document.querySelectorAll("table")) {
  const body = table.tBodies[0];
  const headings = [...table.tHead.rows[0].cells];
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const up = heading.getAttribute("aria-sort") !== "ascending";
      const isNumber = heading.classList.contains("number");
      const key = (row) => {
        const { value } = row.cells[column].dataset;
        return isNumber ? (value === "" ? NaN : Number(value)) : value;
      };
      const compare = (a, b) => {
        if (isNumber) {
          if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b); // unknown ones last
          return up ? a - b : b - a;
        }
        return up ? a.localeCompare(b) : b.localeCompare(a);
      };
      const rows = [...body.rows].map((row) => [key(row), row]);
      rows.sort(([a], [b]) => compare(a, b));
      body.append(...rows.map(([, row]) => row));
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.setAttribute("aria-sort", up ? "ascending" : "descending");
    });
  });
}
