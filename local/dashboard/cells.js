// Cells of tables: numbers are text, and names are links that choose themselves.

import { make, shortened } from "./elements.js";
import { address } from "./state.js";
import { bytes, exact, percent } from "./units.js";

const CHARACTER_WIDTH = 8;
const CELL_PADDING = 16;
const FEWEST = 14;
const MOST = 64;
const CARD_NUMBER = 110;

/** A number of bytes in human units; its exact digits are in its title. */
export const bytesText = (count) => make("span", { class: "amount", title: `${exact(count)} bytes` }, bytes(count));

/** A whole number with all its digits. */
export const countText = (count) => make("span", { class: "amount" }, exact(count));

/** A share of a total. */
export const shareText = (part, whole) => make("span", { class: "share" }, percent(part, whole));

/** A name that leads to the page with changes of its state; ``length`` is the characters that fit. */
export const choice = (text, changes, title, length = Infinity) => {
  const whole = Array.from(text).length > length ? `${text}: ${title}` : title;
  return make("a", { href: address(changes), title: whole, class: "name" }, ...shortened(text, length));
};

/**
 * How many characters of a name fit where ``names`` columns share what ``others`` pixels leave of a panel's width. Where
 * those are too few the panel is narrow: its rows become cards, in which a name has a line beside ``beside`` pixels.
 */
export function room(content, names, others, beside = CARD_NUMBER) {
  const width = content.clientWidth;
  const fitting = (free) => Math.floor((free - CELL_PADDING) / CHARACTER_WIDTH);
  const length = fitting((width - others) / names);
  content.classList.toggle("narrow", length < FEWEST);
  return Math.min(MOST, length < FEWEST ? Math.max(8, fitting(width - beside)) : length);
}

/** A row of a table from [member, content] pairs; the member is the cell's class. */
export const row = (...cells) =>
  make("tr", { role: "row" }, ...cells.map(([member, ...content]) => make("td", { role: "cell", class: kind(member) }, ...content)));

const kind = (member) => (/^bytes_|^records$|^share$/.test(member) ? `number ${member}` : `name ${member}`);

/** The cells of sums: from source to destination, back, both, and records. */
export const sums = (item) => [
  ["bytes_tx", bytesText(item.bytes_tx)],
  ["bytes_rx", bytesText(item.bytes_rx)],
  ["bytes_total", bytesText(size(item))],
  ["records", countText(item.records)],
];

/** Bytes of both directions. */
export const size = (item) => item.bytes_tx + item.bytes_rx;

/** Add items up. */
export function sumOf(items) {
  const add = (member) => items.reduce((sum, item) => sum + item[member], 0n);
  return { bytes_tx: add("bytes_tx"), bytes_rx: add("bytes_rx"), records: add("records") };
}
