// The state -> the API's queries: each panel's, and the one behind each number.

import { FOUND, NAMES } from "./state.js";

export const PAGE_SIZE = 25;
export const TALKERS = 10;
// A month. The names of more bars could not be read.
export const HOURS = 744;

/** Write a name so that the API takes it as it is, whatever it begins or ends with. */
export const literal = (name) => (/^[=!~^]|[,*]/.test(name) ? `=${name}` : name);

const url = (path, pairs) => `${path}?${new URLSearchParams(pairs)}`;

/** Which flows: hours and filters. ``only`` replaces some of them. */
function where(asked, only = {}) {
  const wanted = { from: asked.from, to: asked.to, ...pick(asked, NAMES), ...only };
  return Object.entries(wanted).filter(([, value]) => value);
}

const pick = (values, names) => Object.fromEntries(names.map((name) => [name, values[name]]));
export const hourOnly = (hour) => ({ from: String(hour), to: String(hour + 1n) });
export const ends = (link) => ({ src_app: literal(link.src_app), dest_app: literal(link.dest_app) });

export const newestHours = (count) => url("hours", { size: count });
export const total = (asked) => url("flows", [...where(asked), ["group_by", "total"]]);
export const graph = (asked) => url("graph", [...where(asked), ["top", asked.links]]);
export const talkers = (asked) => url("apps", [...where(asked), ["top", TALKERS]]);
export const hours = (asked) => url("flows", [...where(asked), ["group_by", "hour"], ["sort", "-hour"], ["size", HOURS]]);

/** The table's page: the filters, and what is searched for where there is no filter already. */
export function flows(asked) {
  const found = FOUND.filter((name) => asked[`find_${name}`] && !asked[name]);
  const only = Object.fromEntries(found.map((name) => [name, beginning(asked[`find_${name}`])]));
  const page = [["sort", asked.sort], ["page", asked.page], ["size", PAGE_SIZE]];
  return url("flows", [...where(asked, only), ["include", "records"], ...page]);
}

// Before a prefix, = and ! could not be told from the API's own signs; such a search takes the whole name.
const beginning = (text) => (/^[=!]/.test(text) ? `=${text}` : `${text}*`);

export const ofLink = (asked, link) => url("flows", [...where(asked, ends(link)), ["group_by", "src_app,dest_app"]]);
export const ofHour = (asked, hour) => url("flows", [...where(asked, hourOnly(hour)), ["group_by", "hour"]]);
// Names come in their order, so of those that begin so the name itself is the first.
export const ofApp = (asked, app) => url("apps", [...where(asked), ["prefix", app], ["size", 1]]);

/** One flow's own sums. */
export const ofFlow = (flow) =>
  url("flows", [["hour", flow.hour], ...Object.entries(ends(flow)), ["vpc_id", literal(flow.vpc_id)], ["include", "records"]]);

/** Names that begin so, for completion, out of the chosen hours: of apps or VPCs. */
export function names(asked, field, begin, size) {
  const time = Object.entries({ from: asked.from, to: asked.to }).filter(([, value]) => value);
  return url(field === "vpc_id" ? "vpcs" : "apps", [...time, ["prefix", begin], ["size", size]]);
}
