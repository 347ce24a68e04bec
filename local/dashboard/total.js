// The panel of totals.

import { bytesText, countText, shareText, size } from "./cells.js";
import { make } from "./elements.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";

const REPORTED = "The source reports a flow: it sends bytes to the destination (→) and receives bytes from it (←).";
const MERGED = "Both directions are merged: the source is the app of the filter, or else the name that sorts first.";

export const total = new Panel("total", query.total, (content, answer, asked) => {
  const [item] = answer.items;
  if (!item || item.records === 0n) return false;
  content.querySelector("dl").replaceChildren(
    entry("Bytes", bytesText(size(item))),
    entry("Source → destination", bytesText(item.bytes_tx), " ", shareText(item.bytes_tx, size(item))),
    entry("Source ← destination", bytesText(item.bytes_rx), " ", shareText(item.bytes_rx, size(item))),
    entry("Flow records", countText(item.records)),
  );
  content.querySelector(".hint").textContent = asked.direction === "both" ? MERGED : REPORTED;
  return true;
});

const entry = (term, ...value) => make("div", {}, make("dt", {}, term), make("dd", {}, ...value));
