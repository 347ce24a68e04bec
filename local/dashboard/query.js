// The state -> the API's queries, one for each panel.

import { namePairs } from "./state.js";

export const TALKERS = 10;
// A month. More bars would be too thin.
export const HOURS = 744;

/** Write a name so that the API takes it as it is, whatever signs are in it. */
export const literal = (name) => (/^[=!~^]|[,*]/.test(name) ? `=${name}` : name);

const url = (path, pairs) => `${path}?${new URLSearchParams(pairs)}`;
const given = (asked, ...names) => names.filter((name) => asked[name]).map((name) => [name, asked[name]]);

/** The hours and the filters. */
const where = (asked) => [...asked.time, ...namePairs(asked)];

/** Which flows, and whether both directions are merged. */
const flowsOf = (asked) => [...where(asked), ...given(asked, "direction")];

export const hourOnly = (hour) => ({ from: String(hour), to: String(hour + 1n) });
export const ends = (link) => ({ src_app: [literal(link.src_app)], dest_app: [literal(link.dest_app)] });

export const newestHours = (count) => url("hours", { size: count });
export const oldestHour = (hours) => url("hours", { size: 1, page: hours });
export const total = (asked) => url("flows", [...flowsOf(asked), ["group_by", "total"]]);
export const graph = (asked) => url("graph", [...flowsOf(asked), ...given(asked, "top")]);
export const talkers = (asked) => url("apps", [...where(asked), ["top", TALKERS]]);
export const hours = (asked) => url("flows", [...flowsOf(asked), ["group_by", "hour"], ["sort", "-hour"], ["size", HOURS]]);

const rows = (asked) => [...flowsOf(asked), ...given(asked, "group_by"), ["include", "records"]];

/** One page of the table. */
export const flows = (asked) => url("flows", [...rows(asked), ...given(asked, "sort", "page", "size")]);

/** All rows of the table as CSV. Without a chosen order the API streams them as they are stored, which is faster. */
export const csv = (asked, chosen) => url("flows", [...rows(asked), ...(chosen ? [["sort", asked.sort]] : []), ["format", "csv"]]);

/** Names of apps or VPCs in the chosen hours that begin with a text, for completion. */
export const names = (asked, field, begin, size) =>
  url(field === "vpc_id" ? "vpcs" : "apps", [...asked.time, ["prefix", begin], ["size", size]]);
