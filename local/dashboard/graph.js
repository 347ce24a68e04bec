// The panel of who talks to whom: a Sankey picture, and a table of the same links.

import { choice, row, sums } from "./cells.js";
import { picture, plain } from "./charts.js";
import { byId, make, shorten } from "./elements.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { go, LINKS } from "./state.js";
import { bytes, exact } from "./units.js";

const COLOURS = ["#3d7fd9", "#d97a1f", "#2e9e6b", "#c2497f", "#8a63c9", "#b08a1e", "#2a9db0", "#cf5148"];
const OTHER = "#8a919c";

export const graph = new Panel("graph", query.graph, (content, answer, asked, url) => {
  const links = withOther(answer);
  if (!links.length) return false;
  content.querySelector("tbody").replaceChildren(...links.map((link) => tableRow(link, asked, url)));
  const shown = content.querySelector(".picture");
  const told = `${answer.links.length} links from senders to receivers, the largest ${name(links[0])}.`;
  shown.setAttribute("aria-label", `${told} The table below has them all.`);
  const drawn = withRoom(links);
  tellUndrawn(content.querySelector(".undrawn"), links.find((link) => !drawn.includes(link)));
  shown.hidden = drawn.every((link) => size(link) === 0n);
  if (!shown.hidden) picture(shown, (theme, narrow) => sankey(drawn, theme, narrow), clicked(drawn));
  return true;
});

/** The links that are drawn: not the rest, where it is more than all of them and would leave them no room. */
function withRoom(links) {
  const named = links.filter((link) => !link.rest);
  const total = named.reduce((sum, link) => sum + size(link), 0n);
  return total === 0n ? links : links.filter((link) => !link.rest || size(link) <= total);
}

function tellUndrawn(note, rest) {
  note.hidden = !rest;
  if (rest) note.textContent = `Not drawn, since it would leave the others no room: ${name(rest)}, ${bytes(size(rest))}.`;
}

/** The links, with all that are not among the largest as a last one. */
function withOther({ links, other }) {
  return other && other.rows > 0n ? [...links, { ...other, rest: `other (${exact(other.rows)} more links)` }] : links;
}

const size = (link) => link.bytes_tx + link.bytes_rx;
const name = (link) => link.rest ?? `${link.src_app} → ${link.dest_app}`;

function tableRow(link, asked, url) {
  if (link.rest) return row([link.rest, ""], sums(link, url));
  const [from, to] = [query.literal(link.src_app), query.literal(link.dest_app)];
  const named = [
    choice(link.src_app, { src_app: from }, "Only what it sends"),
    choice(link.dest_app, { dest_app: to }, "Only what it receives"),
  ];
  return row(named, sums(link, query.ofLink(asked, link)));
}

/**
 * Describe the picture. A Sankey knows no cycles, and apps answer each other: so each app may have two nodes, one on the
 * left as a sender and one on the right as a receiver.
 */
function sankey(links, { dark, text }, narrow) {
  const nodes = nodesOf(links);
  const colour = colours(nodes);
  const place = (side, app) => nodes.findIndex((node) => node.side === side && node.app === app);
  const length = narrow ? 14 : 32;
  const data = {
    type: "sankey",
    arrangement: "fixed",
    textfont: { color: text, shadow: "none" },
    node: {
      label: nodes.map((node) => plain(shorten(node.app ?? "other", length))),
      customdata: nodes.map((node) => plain(node.app ?? "other")),
      color: nodes.map((node) => colour(node.app)),
      hovertemplate: "%{customdata}<extra></extra>",
      pad: Math.max(2, Math.min(14, 240 / nodes.length)),
      thickness: 14,
      line: { width: 0 },
    },
    link: {
      source: links.map((link) => place("from", link.rest ? null : link.src_app)),
      target: links.map((link) => place("to", link.rest ? null : link.dest_app)),
      value: links.map((link) => Number(size(link))),
      color: links.map((link) => colour(link.rest ? null : link.src_app) + (dark ? "70" : "58")),
      customdata: links.map((link) => `${plain(name(link))}<br>${bytes(size(link))} (${exact(size(link))} bytes)`),
      hovertemplate: "%{customdata}<extra></extra>",
    },
  };
  return { data: [data], layout: { height: Math.max(260, Math.min(900, 60 + 11 * nodes.length)) } };
}

/** The nodes: senders, then receivers, each in the order in which the links, the largest first, name them. */
function nodesOf(links) {
  const apps = (member) => [...new Set(links.map((link) => (link.rest ? null : link[member])))];
  const side = (which, member) => apps(member).map((app) => ({ side: which, app }));
  return [...side("from", "src_app"), ...side("to", "dest_app")];
}

/** Give each app a colour, the same on both sides, and neighbours different ones. */
function colours(nodes) {
  const apps = [...new Set(nodes.map((node) => node.app))].filter((app) => app !== null);
  return (app) => (app === null ? OTHER : COLOURS[apps.indexOf(app) % COLOURS.length]);
}

/** Choose what was clicked: a link's two ends, or a node's app as a sender or a receiver. */
const clicked = (links) => (point) => {
  if ("source" in point) {
    const link = links[point.pointNumber];
    if (!link.rest) go(query.ends(link));
    return;
  }
  const node = nodesOf(links)[point.pointNumber];
  if (node.app !== null) go({ [node.side === "from" ? "src_app" : "dest_app"]: query.literal(node.app) });
};

/** Bring the choice of how many links to life. */
export function startGraph() {
  byId("links").replaceChildren(...LINKS.map((count) => make("option", {}, count)));
  byId("links").addEventListener("change", (event) => go({ links: event.target.value }));
}
