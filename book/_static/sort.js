// A click on the head of a column sorts a table of results, a second one turns it round; numbers as numbers, gaps last.
document.addEventListener("DOMContentLoaded", () => {
  document.querySelectorAll("table.dataframe").forEach((table) => {
    const head = table.tHead && table.tHead.rows[0], body = table.tBodies[0];
    const merged = table.querySelector("tbody [rowspan], tbody [colspan], thead [colspan]:not([colspan='1'])");
    if (!head || !body || body.rows.length < 3 || merged) return;
    const value = (row, column) => {
      const text = row.cells[column].innerText.trim(), number = Number(text.replace(/,/g, ""));
      return text === "" || text === "NaN" || text === "None" ? null : Number.isNaN(number) ? text : number;
    };
    const order = (a, b) =>
      typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", {numeric: true});
    [...head.cells].forEach((cell, column) => {
      const sort = () => {
        const turn = cell.getAttribute("aria-sort") === "ascending" ? -1 : 1;
        [...head.cells].forEach((other) => other.removeAttribute("aria-sort"));
        cell.setAttribute("aria-sort", turn === 1 ? "ascending" : "descending");
        const rows = [...body.rows].map((row) => [value(row, column), row]);
        rows.sort(([a], [b]) => (a === null) - (b === null) || (a === null ? 0 : turn * order(a, b)));
        body.append(...rows.map(([, row]) => row));
      };
      cell.tabIndex = 0;
      cell.title = "sort";
      cell.addEventListener("click", sort);
      cell.addEventListener("keydown", (event) => { if (event.key === "Enter") sort(); });
    });
  });
});
