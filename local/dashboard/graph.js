// The panel of who talks to whom: a Sankey picture of the largest links, and a table of them and the rest.

import { bytesText, choice, room, row, shareText, size, sumOf, sums } from "./cells.js";
import { picture } from "./charts.js";
import { byId, make } from "./elements.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { sankey, nodesOf } from "./sankey.js";
import { go } from "./state.js";
import { bytes, exact, percent } from "./units.js";

const TOPS = ["10", "20", "50", "100"];
const NUMBERS_WIDTH = 460;

export const graph = new Panel("graph", query.graph, (content, { links, other }, asked) => {
  showTops(asked.top);
  if (!links.length) return false;
  const whole = sumOf([...links, ...(other ? [other] : [])]);
  fill(content, links, other, whole);
  content.querySelector(".drawn").textContent = drawn(links, other, size(whole));
  const shown = content.querySelector(".picture");
  const [first] = links;
  const largest = `${first.src_app} to ${first.dest_app}`;
  shown.setAttribute("aria-label", `${links.length} links from sources to destinations, the largest from ${largest}. The table below has them all.`);
  shown.parentElement.hidden = size(whole) === 0n;
  if (size(whole) > 0n) picture(shown, (theme, width) => sankey(links, size(whole), theme, width), clicked(links));
  return true;
});

/** Show how many links are asked for; an address may ask for other numbers than the list offers. */
function showTops(top) {
  const listed = TOPS.includes(top) ? TOPS : [...TOPS, top];
  byId("top").replaceChildren(...listed.map((count) => make("option", { value: count }, `Top ${count}`)));
  byId("top").value = top;
}

/** Say what the picture shows of the total, and what it does not show. */
function drawn(links, other, whole) {
  const part = size(sumOf(links));
  if (!other || other.rows === 0n) return `Shown: all ${exact(links.length)} links, ${bytes(whole)}, 100 % of the total.`;
  const shown = `Shown: the ${exact(links.length)} largest links, ${bytes(part)}, ${percent(part, whole)} of the total.`;
  return `${shown} Not shown: ${exact(other.rows)} smaller links, ${bytes(size(other))}, ${percent(size(other), whole)}.`;
}

function fill(content, links, other, whole) {
  const length = room(content, 2, NUMBERS_WIDTH);
  const rows = links.map((link) => row(...named(link, length), ...numbers(link, whole)));
  if (other && other.rows > 0n) rows.push(row(["src_app", `${exact(other.rows)} smaller links`], ["dest_app"], ...numbers(other, whole)));
  content.querySelector("tbody").replaceChildren(...rows);
  content.querySelector("tfoot").replaceChildren(row(["src_app", "Total"], ["dest_app"], ...numbers(whole, whole)));
}

const named = (link, length) => [
  ["src_app", choice(link.src_app, { src_app: [query.literal(link.src_app)] }, "Only this source", length)],
  ["dest_app", choice(link.dest_app, { dest_app: [query.literal(link.dest_app)] }, "Only this destination", length)],
];

function numbers(item, whole) {
  const [there, back, , records] = sums(item);
  return [there, back, ["bytes_total", bytesText(size(item)), " ", shareText(size(item), size(whole))], records];
}

/** Choose what was clicked: a link's two ends, or a node's app as a source or a destination. */
const clicked = (links) => (point) => {
  if ("source" in point) return go(query.ends(links[point.pointNumber]));
  const node = nodesOf(links)[point.pointNumber];
  return go({ [node.member]: [query.literal(node.app)] });
};

/** Bring the choice of how many links to life. */
export function startGraph() {
  byId("top").addEventListener("change", (event) => go({ top: event.target.value }));
}
