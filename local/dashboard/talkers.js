// The panel of top talkers: what each app sends and receives. Every byte has one sender and one receiver, so that either
// column adds up to the total.

import { bytesText, choice, room, row, shareText, sumOf } from "./cells.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { exact } from "./units.js";

const NUMBERS_WIDTH = 300;
// Where the panel is narrow the shares stand below the bytes.
const CARD_NUMBERS_WIDTH = 180;

export const talkers = new Panel("talkers", query.talkers, (content, { items, other }) => {
  if (!items.length) return false;
  const whole = sumOf([...items, ...(other ? [other] : [])]);
  const length = room(content, 1, NUMBERS_WIDTH, CARD_NUMBERS_WIDTH);
  const most = Object.fromEntries(["bytes_tx", "bytes_rx"].map((member) => [member, largest(items, member)]));
  const rows = items.map((item) => barred(row(["app", chosen(item.app, length)], ...numbers(item, whole)), item, most));
  if (other && other.rows > 0n) rows.push(row(["app", `${exact(other.rows)} other apps`], ...numbers(other, whole)));
  content.querySelector("tbody").replaceChildren(...rows);
  content.querySelector("tfoot").replaceChildren(row(["app", "Total"], ...numbers(whole, whole)));
  return true;
});

const chosen = (app, length) => choice(app, { app: [query.literal(app)] }, "Only flows with this app at either end", length);
const numbers = (item, whole) =>
  ["bytes_tx", "bytes_rx"].map((member) => [member, bytesText(item[member]), " ", shareText(item[member], whole[member])]);
const largest = (items, member) => items.map((item) => item[member]).reduce((a, b) => (a > b ? a : b));

/** Draw each number as a bar, too. */
function barred(line, item, most) {
  for (const member of ["bytes_tx", "bytes_rx"]) {
    const share = most[member] ? Number((item[member] * 1000n) / most[member]) / 10 : 0;
    line.querySelector(`.${member}`).style.setProperty("--share", `${share}%`);
  }
  line.classList.add("barred");
  return line;
}
