// One table for every list: headings that sort, cells that name their column where the page is narrow.
import { html } from "./ui.js";

/**
 * columns: [label, row -> cell, sort key or nothing]. sort: {by, order} or nothing; onSort(key).
 * rowKey: row -> what tells it from others.
 */
export function Table({ caption, columns, rows, rowKey, sort, onSort }) {
  const heading = ([label, , key]) => {
    if (!key || !onSort) return label;
    const active = sort.by === key;
    return html`<button type="button" class="sort" onClick=${() => onSort(key)}>${label}
      <span aria-hidden="true">${active ? (sort.order === "Ascending" ? "↑" : "↓") : ""}</span></button>`;
  };
  const order = (key) => (key && sort && sort.by === key ? sort.order.toLowerCase() : undefined);
  return html`
    <table>
      <caption class="hidden">${caption}</caption>
      <thead><tr>${columns.map(
        (column) => html`
        <th key=${column[0]} scope="col" aria-sort=${order(column[2])}>${heading(column)}</th>`,
      )}</tr></thead>
      <tbody>${rows.map(
        (row) => html`
        <tr key=${rowKey(row)}>${columns.map(([label, cell], index) =>
          index === 0
            ? html`<th key=${label} scope="row" data-label=${label}>${cell(row)}</th>`
            : html`<td key=${label} data-label=${label}>${cell(row)}</td>`,
        )}</tr>`,
      )}</tbody>
    </table>`;
}

/** Rows that are all here: filtered and sorted in the page. */
export function arrange(rows, text, textOf, sort, valueOf) {
  const wanted = text.toLowerCase();
  const found = rows.filter((row) => textOf(row).toLowerCase().includes(wanted));
  const way = sort.order === "Ascending" ? 1 : -1;
  return found.sort((a, b) => {
    const [x, y] = [valueOf(a, sort.by), valueOf(b, sort.by)];
    return way * (x < y ? -1 : x > y ? 1 : 0);
  });
}

/** The sort that a click on a heading leads to: names upwards first, times downwards. */
export const turned = (sort, key) =>
  sort.by === key
    ? { by: key, order: sort.order === "Ascending" ? "Descending" : "Ascending" }
    : { by: key, order: key === "Name" ? "Ascending" : "Descending" };
