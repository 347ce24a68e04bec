// Cells of tables: numbers that are links to their query, and names that are links to what they choose.

import { make } from "./elements.js";
import { address } from "./state.js";
import { bytes, exact } from "./units.js";

// From the root, also where a proxy has put the service below a path of its own.
const rooted = (query) => {
  const { pathname, search } = new URL(query, location.href);
  return pathname + search;
};

/** A number of bytes, in human units, that leads to its query; its exact digits are in its title. */
export const bytesLink = (count, query) =>
  make("a", { href: rooted(query), class: "number", title: `${exact(count)} bytes` }, bytes(count));

/** A whole number that leads to its query. */
export const countLink = (count, query) =>
  make("a", { href: rooted(query), class: "number" }, exact(count));

/** A name that leads to the page with changes of its state. */
export const choice = (text, changes, title) => make("a", { href: address(changes), title, class: "name" }, text);

const cell = (content, kind) => make("td", { class: kind }, content);

/** A row of a table: what names it, then cells of numbers. */
export const row = (named, numbers) =>
  make("tr", {}, ...named.map((content) => cell(content, "name")), ...numbers.map((content) => cell(content, "number")));

/** The cells of sums: sent, received, both, and records where ``withRecords``. */
export function sums(item, query, withRecords = true) {
  const cells = [item.bytes_tx, item.bytes_rx, item.bytes_tx + item.bytes_rx].map((count) => bytesLink(count, query));
  return withRecords ? [...cells, countLink(item.records, query)] : cells;
}
