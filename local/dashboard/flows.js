// The panel of the flows themselves: a table that is searched, sorted and paged by the API.

import { choice, countLink, row, sums } from "./cells.js";
import { byId, make } from "./elements.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { address, COLUMNS, FOUND, go, read } from "./state.js";
import { exact, hourText } from "./units.js";

const TITLES = {
  hour: "Hour",
  src_app: "Sender",
  dest_app: "Receiver",
  vpc_id: "VPC",
  bytes_tx: "Sent",
  bytes_rx: "Received",
  bytes_total: "Total",
  records: "Records",
};
const TYPING_MILLISECONDS = 250;

export const flows = new Panel("flows", query.flows, (content, answer, asked, url) => {
  showSort(content, asked.sort);
  showPlace(content, answer, url);
  content.querySelector("tbody").replaceChildren(...answer.items.map(tableRow));
  return answer.items.length > 0 || answer.total > 0n;
});

function tableRow(flow) {
  const { src_app, dest_app, vpc_id } = flow;
  const named = [
    choice(hourText(flow.hour), query.hourOnly(flow.hour), "Only this hour"),
    choice(src_app, { src_app: query.literal(src_app) }, "Only what it sends"),
    choice(dest_app, { dest_app: query.literal(dest_app) }, "Only what it receives"),
    choice(vpc_id, { vpc_id: query.literal(vpc_id) }, "Only this VPC"),
  ];
  return row(named, sums(flow, query.ofFlow(flow)));
}

function showSort(content, sort) {
  const sorted = sort.replace(/^-/, "");
  for (const heading of content.querySelectorAll("thead th")) {
    const direction = heading.dataset.member === sorted ? (sort[0] === "-" ? "descending" : "ascending") : "none";
    heading.setAttribute("aria-sort", direction);
  }
}

function showPlace(content, { items, total, page, size }, url) {
  const first = (page - 1n) * size;
  const last = first + BigInt(items.length);
  const place = items.length ? `${exact(first + 1n)} to ${exact(last)} of ` : "Nothing on this page, of ";
  content.querySelector(".place").replaceChildren(place, countLink(total, url));
  point(content.querySelector("[rel=prev]"), page > 1n, page - 1n);
  point(content.querySelector("[rel=next]"), last < total && items.length > 0, page + 1n);
}

/** Point a link to a page; without an address it is no link, and a keyboard passes it by. */
function point(link, there, page) {
  if (there) link.setAttribute("href", address({ page: String(page) }));
  else link.removeAttribute("href");
}

const heading = (member) => {
  const button = make("button", { type: "button" }, TITLES[member]);
  button.addEventListener("click", () => go({ sort: turned(member, read().sort) }));
  const kind = /^bytes_|records/.test(member) ? "number" : null;
  return make("th", { scope: "col", class: kind, "data-member": member }, button);
};

/** Names begin at the first, numbers at the largest; a second click turns it round. */
function turned(member, sort) {
  const usual = ["src_app", "dest_app", "vpc_id"].includes(member) ? member : `-${member}`;
  const other = usual === member ? `-${member}` : member;
  return sort === usual ? other : usual;
}

/** Bring the table's headings and its search to life. */
export function startFlows() {
  flows.content.querySelector("thead tr").replaceChildren(...COLUMNS.map(heading));
  const form = byId("find");
  let typing;
  const search = () => {
    clearTimeout(typing);
    go(Object.fromEntries(FOUND.map((name) => [`find_${name}`, form.elements[`find_${name}`].value])), true);
  };
  form.addEventListener("input", () => {
    clearTimeout(typing);
    typing = setTimeout(search, TYPING_MILLISECONDS);
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    search();
  });
}

/** Show what is searched for; what the filters above have chosen already cannot be searched in. */
export function showSearch(state) {
  for (const name of FOUND) {
    const field = byId("find").elements[`find_${name}`];
    field.disabled = state[name] !== "";
    if (field !== document.activeElement) field.value = state[`find_${name}`];
  }
}
