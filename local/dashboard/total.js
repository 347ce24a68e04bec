// The panel of totals.

import { bytesLink, countLink } from "./cells.js";
import { make } from "./elements.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";

export const total = new Panel("total", query.total, (content, answer, _, url) => {
  const [item] = answer.items;
  if (!item || item.records === 0n) return false;
  content.replaceChildren(
    entry("Total", bytesLink(item.bytes_tx + item.bytes_rx, url)),
    entry("Sent", bytesLink(item.bytes_tx, url)),
    entry("Received", bytesLink(item.bytes_rx, url)),
    entry("Flow records", countLink(item.records, url)),
  );
  return true;
});

const entry = (term, value) => make("div", {}, make("dt", {}, term), make("dd", {}, value));
