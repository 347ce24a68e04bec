// The panel of top talkers: a table whose last column is a bar, too.

import { bytesLink, choice, row } from "./cells.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { exact } from "./units.js";

export const talkers = new Panel("talkers", query.talkers, (content, answer, asked, url) => {
  const { items, other } = answer;
  if (!items.length) return false;
  const widest = items.map(size).reduce((a, b) => (a > b ? a : b));
  const rows = items.map((item) => {
    const name = choice(item.app, { app: query.literal(item.app) }, "Only flows with it at an end");
    return barred(row([name], cells(item, query.ofApp(asked, item.app))), size(item), widest);
  });
  if (other && other.rows > 0n) rows.push(row([`other (${exact(other.rows)} more apps)`], cells(other, url)));
  content.querySelector("tbody").replaceChildren(...rows);
  return true;
});

const size = (item) => item.bytes_tx + item.bytes_rx;
const cells = (item, url) => [item.bytes_tx, item.bytes_rx, size(item)].map((count) => bytesLink(count, url));

function barred(line, value, widest) {
  const share = widest ? Number((value * 1000n) / widest) / 10 : 0;
  line.style.setProperty("--share", `${share}%`);
  line.classList.add("barred");
  return line;
}
