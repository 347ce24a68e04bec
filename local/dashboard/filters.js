// The form: hours and names. Completes names, shows each filter with a way to remove it, and changes the state.

import { get } from "./api.js";
import { byId, make, shortened } from "./elements.js";
import * as query from "./query.js";
import { rangeGiven, showRange, startRange } from "./range.js";
import { address, go, namePairs, NAMES, read, times, withoutNames } from "./state.js";

const COMPLETIONS = 20;
const TYPING_MILLISECONDS = 150;
const TITLES = { hour: "Hour", app: "App", src_app: "Source", dest_app: "Destination", vpc_id: "VPC" };
const CHIP_LENGTH = 40;

let asked = {};
// Fields that somebody is typing in are left alone.
const typed = new Set();
let completing = new AbortController();
// Of the last completion: for which field and beginning, in which hours, and whether those were all names.
let completed = {};

/** Show what is asked for. */
export function showFilters(now) {
  asked = now;
  showRange(now);
  const form = byId("filters");
  for (const name of NAMES.filter((each) => !typed.has(each))) {
    const values = now[name];
    form.elements[name].value = values.length === 1 ? values[0] : "";
    form.elements[name].placeholder = values.length > 1 ? `${values.length} values` : "";
  }
  form.elements.direction.checked = now.direction === "both";
  showChips(now);
}

/** Show each filter as something to remove. */
function showChips(now) {
  const hours = now.hour.length > 1 ? now.hour.map((hour) => ["hour", hour]) : [];
  const chips = [...hours, ...namePairs(now)].map(([name, value]) => chip(now, name, value));
  if (chips.length > 1) chips.push(make("a", { href: address({ ...withoutNames(), ...(hours.length ? times() : {}) }) }, "Clear all"));
  byId("chips").replaceChildren(...chips);
  byId("chips").hidden = chips.length === 0;
}

function chip(now, name, value) {
  const others = now[name].filter((each) => each !== value);
  const text = make("span", { class: "value" }, ...shortened(value, CHIP_LENGTH));
  const remove = { href: address({ [name]: others }), "aria-label": `Remove ${TITLES[name]} ${value}`, title: "Remove this filter" };
  return make("span", { class: "chip", title: value }, `${TITLES[name]}: `, text, " ", make("a", remove, "✕"));
}

/** Bring the form to life. */
export function startFilters() {
  const form = byId("filters");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const range = rangeGiven();
    if (range === null) return;
    const changes = namesGiven(form);
    typed.clear();
    go({ ...range, ...(await changes), direction: form.elements.direction.checked ? "both" : "" });
  });
  form.elements.direction.addEventListener("change", () => form.requestSubmit());
  startRange();
  for (const name of NAMES) {
    const field = form.elements[name];
    let typing;
    field.addEventListener("input", () => {
      typed.add(name);
      clearTimeout(typing);
      typing = setTimeout(() => complete(name, field.value), TYPING_MILLISECONDS);
    });
    field.addEventListener("change", () => form.requestSubmit());
    // The field's own button to clear it, which is no change yet.
    field.addEventListener("search", () => field.value || form.requestSubmit());
  }
}

/** The names that have been typed. The others stay: a field cannot hold all of them, such as one of two lines. */
async function namesGiven(form) {
  const changed = NAMES.filter((name) => typed.has(name));
  const each = changed.map(async (name) => [name, await meant(name, form.elements[name].value)]);
  return Object.fromEntries(await Promise.all(each));
}

/** What a text means: as the API reads it, unless there is an app or VPC of just that name. */
async function meant(name, text) {
  if (text === "") return [];
  if (text === read().state[name][0] || query.literal(text) === text) return [text];
  try {
    const { items } = await get(query.names(asked, name, text, 1));
    return [items.some((item) => nameOf(item) === text) ? query.literal(text) : text];
  } catch {
    return [text];
  }
}

const nameOf = (item) => item.app ?? item.vpc_id;

/** Offer the names that begin so. If it fails the name can still be typed. */
async function complete(name, begin) {
  completing.abort();
  if (completed.asked === asked && completed.name === name && completed.all && begin.startsWith(completed.begin)) return;
  completing = new AbortController();
  const { signal } = completing;
  try {
    const { items } = await get(query.names(asked, name, begin, COMPLETIONS), signal);
    completed = { asked, name, begin, all: items.length < COMPLETIONS };
    byId(`completions-${name}`).replaceChildren(...items.map((item) => make("option", { value: nameOf(item) })));
  } catch {
    /* see above */
  }
}
