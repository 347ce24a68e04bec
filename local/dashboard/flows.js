// The panel of the flows themselves: a table that the API groups, sorts and pages.

import { choice, countText, room, row, sums } from "./cells.js";
import { byId, make } from "./elements.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { address, COLUMNS, go, read, times } from "./state.js";
import { exact, hourText } from "./units.js";

const TITLES = {
  hour: ["Hour", "The hour that begins then"],
  src_app: ["Source", "The app that reported the flow (src_app)"],
  dest_app: ["Destination", "The app at the other end (dest_app)"],
  vpc_id: ["VPC", "The VPC of the flow (vpc_id)"],
  bytes_tx: ["Src → dest", "Bytes from the source to the destination (bytes_tx)"],
  bytes_rx: ["Src ← dest", "Bytes from the destination to the source (bytes_rx)"],
  bytes_total: ["Total", "Bytes in both directions"],
  records: ["Records", "Flow records that were added up"],
};
const GROUPS = [
  ["", "Each flow"],
  ["src_app,dest_app", "Source and destination"],
  ["src_app", "Source"],
  ["dest_app", "Destination"],
  ["vpc_id", "VPC"],
  ["hour", "Hour"],
];
const NUMBERS_WIDTH = 420;
const HOUR_WIDTH = 150;
const KEY = COLUMNS.slice(0, 4);

export const flows = new Panel("flows", query.flows, (content, answer, asked) => {
  const members = membersOf(asked);
  showGroup(asked.group_by);
  showHead(content, members, asked.sort);
  showPlace(content, answer);
  const names = members.filter((member) => member !== "hour").length;
  const length = room(content, Math.max(1, names), NUMBERS_WIDTH + (members.includes("hour") ? HOUR_WIDTH : 0));
  content.querySelector("tbody").replaceChildren(...answer.items.map((flow) => tableRow(flow, members, length)));
  return answer.items.length > 0 || answer.total > 0n;
});

const membersOf = ({ group_by: group }) => (group === "" ? KEY : group.split(",").filter((member) => KEY.includes(member)));

function tableRow(flow, members, length) {
  return row(...members.map((member) => [member, named(member, flow[member], length)]), ...sums(flow));
}

function named(member, value, length) {
  if (member === "hour") return choice(hourText(value), times(query.hourOnly(value)), "Only this hour");
  return choice(value, { [member]: [query.literal(value)] }, `Only this ${TITLES[member][0].replace(/^[A-Z](?=[a-z])/, (first) => first.toLowerCase())}`, length);
}

/** Show how the table is grouped; an address may group in other ways than the list offers. */
function showGroup(group) {
  const listed = GROUPS.some(([value]) => value === group) ? GROUPS : [...GROUPS, [group, group]];
  byId("group").replaceChildren(...listed.map(([value, text]) => make("option", { value }, text)));
  byId("group").value = group;
}

function showHead(content, members, sort) {
  const columns = [...members, ...COLUMNS.slice(4)];
  const head = content.querySelector("thead tr");
  // The headings stay where they are the same, so that a button keeps the focus.
  if (head.dataset.columns !== String(columns)) head.replaceChildren(...columns.map(heading));
  head.dataset.columns = String(columns);
  const [first] = sort.split(",");
  for (const cell of head.children) {
    const sorted = cell.dataset.member === first.replace(/^-/, "");
    cell.setAttribute("aria-sort", sorted ? (first[0] === "-" ? "descending" : "ascending") : "none");
  }
}

function showPlace(content, { items, total, page, size }) {
  const first = (page - 1n) * size;
  const last = first + BigInt(items.length);
  const place = items.length ? `${exact(first + 1n)} to ${exact(last)} of ` : "Nothing on this page, of ";
  content.querySelector(".place").replaceChildren(place, countText(total));
  point(content.querySelector("[rel=prev]"), page > 1n, page - 1n);
  point(content.querySelector("[rel=next]"), last < total && items.length > 0, page + 1n);
}

/** Point a link to a page; without an address it is no link, and a keyboard passes it by. */
function point(link, there, page) {
  if (there) link.setAttribute("href", address({ page: String(page) }));
  else link.removeAttribute("href");
}

const heading = (member) => {
  const [text, title] = TITLES[member];
  const button = make("button", { type: "button", title }, text);
  button.addEventListener("click", () => go({ sort: turned(member, read().state.sort) }));
  const kind = KEY.includes(member) ? member : `number ${member}`;
  return make("th", { role: "columnheader", scope: "col", class: kind, "data-member": member }, button);
};

/** Names begin at the first, numbers at the largest; a second click reverses the order. */
function turned(member, sort) {
  const usual = ["src_app", "dest_app", "vpc_id"].includes(member) ? member : `-${member}`;
  const other = usual === member ? `-${member}` : member;
  return sort === usual ? other : usual;
}

/** Bring the choice of groups to life. */
export function startFlows() {
  byId("group").addEventListener("change", ({ target: { value } }) => {
    const { state } = read();
    const sorted = state.sort.replaceAll("-", "").split(",");
    const kept = sorted.every((member) => !KEY.includes(member) || value === "" || value.split(",").includes(member));
    go({ group_by: value, sort: kept ? state.sort : read("").state.sort });
  });
}
