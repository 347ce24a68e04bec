// The Sankey picture of links: sources on the left, destinations on the right.

import { size } from "./cells.js";
import { plain } from "./charts.js";
import { shorten } from "./elements.js";
import { bytes, exact, percent } from "./units.js";

const COLOURS = ["#3d7fd9", "#d97a1f", "#2e9e6b", "#c2497f", "#8a63c9", "#b08a1e", "#2a9db0", "#cf5148"];
const FONT = 13;
const CHARACTER_WIDTH = 7.4;
const NODE_HEIGHT = 22;
const PAD = 14;

/**
 * Describe the picture. A Sankey knows no cycles, and apps answer each other: so each app may have two nodes, one on the
 * left as a source and one on the right as a destination.
 */
export function sankey(links, whole, { dark, text, paper }, width) {
  const nodes = nodesOf(links);
  const colour = colours(nodes);
  const place = (member, app) => nodes.findIndex((node) => node.member === member && node.app === app);
  // Names of the left and the right may use the space between up to its middle.
  const length = Math.max(12, Math.min(48, Math.floor((width / 2 - 40) / CHARACTER_WIDTH)));
  const data = {
    type: "sankey",
    arrangement: "fixed",
    // Names stand on the bands: the paper's colour around them keeps them readable.
    textfont: { color: text, size: FONT, shadow: `0 0 3px ${paper}, 0 0 3px ${paper}, 0 0 5px ${paper}` },
    node: {
      label: nodes.map((node) => plain(shorten(node.app, length))),
      customdata: nodes.map((node) => plain(node.app)),
      color: nodes.map((node) => colour(node.app)),
      hovertemplate: "%{customdata}<extra></extra>",
      pad: PAD,
      thickness: 14,
      line: { width: 0 },
    },
    link: {
      source: links.map((link) => place("src_app", link.src_app)),
      target: links.map((link) => place("dest_app", link.dest_app)),
      value: links.map((link) => Number(size(link))),
      color: links.map((link) => colour(link.src_app) + (dark ? "70" : "58")),
      customdata: links.map((link) => hover(link, whole)),
      hovertemplate: "%{customdata}<extra></extra>",
    },
  };
  return { data: [data], layout: { height: Math.max(260, 30 + NODE_HEIGHT * tallest(nodes)) } };
}

const hover = (link, whole) => [
  plain(link.src_app),
  `→ ${plain(link.dest_app)}`,
  `Total ${bytes(size(link))} (${exact(size(link))} bytes), ${percent(size(link), whole)} of the total`,
  `src → dest ${bytes(link.bytes_tx)}`,
  `src ← dest ${bytes(link.bytes_rx)}`,
].join("<br>");

const tallest = (nodes) => Math.max(...["src_app", "dest_app"].map((side) => nodes.filter(({ member }) => member === side).length));

/** The nodes: sources, then destinations, each in the order in which the links, the largest first, name them. */
export function nodesOf(links) {
  const side = (member) => [...new Set(links.map((link) => link[member]))].map((app) => ({ member, app }));
  return [...side("src_app"), ...side("dest_app")];
}

/** Give each app a colour, the same on both sides, and neighbours different ones. */
function colours(nodes) {
  const apps = [...new Set(nodes.map((node) => node.app))];
  return (app) => COLOURS[apps.indexOf(app) % COLOURS.length];
}
