// The form of hours and names: shows the state, completes names, and changes the state.

import { get } from "./api.js";
import { byId, make } from "./elements.js";
import * as query from "./query.js";
import { go, NAMES, read } from "./state.js";
import { dateField, hourOf, isDate } from "./units.js";

const COMPLETIONS = 20;
const TYPING_MILLISECONDS = 150;

let asked = {};
// Fields that somebody is typing in are left alone.
const typed = new Set();
let completing = new AbortController();
// Of the last completion: for which field and beginning, in which hours, and whether those were all names.
let completed = {};

/** Show what is asked for: hours as dates where all of them look so, else as numbers. */
export function showFilters(now) {
  asked = now;
  const form = byId("filters");
  const hours = [now.from, now.to].filter((text) => text).map(BigInt);
  const dates = isDate(now.newest) && hours.every((hour) => hour === 0n || isDate(hour));
  byId("zone").hidden = !dates;
  for (const name of ["from", "to"]) showHour(form.elements[name], now[name], dates);
  for (const name of NAMES) if (!typed.has(name)) form.elements[name].value = now[name];
  byId("links").value = now.links;
}

function showHour(field, hour, dates) {
  field.type = dates ? "datetime-local" : "text";
  if (dates) field.step = "3600";
  else Object.assign(field, { inputMode: "numeric", pattern: "[0-9]{1,19}" });
  field.value = dates && hour !== "" ? dateField(BigInt(hour)) : hour;
}

const hourGiven = (field) => (field.type === "text" ? field.value.trim() : hourOf(field.value));

/** Bring the form to life. */
export function startFilters() {
  const form = byId("filters");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const changes = given(form);
    typed.clear();
    go(await changes);
  });
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

/**
 * What the form says. Hours that have not been changed stay as they were, also where those are the usual ones, and so
 * do names: a field cannot hold all of them, such as one of two lines.
 */
async function given(form) {
  const fields = ["from", "to"].map((name) => [name, hourGiven(form.elements[name])]);
  const hours = fields.every(([name, hour]) => hour === asked[name]) && asked.usual ? { from: "", to: "" } : Object.fromEntries(fields);
  const state = read();
  const names = NAMES.map(async (name) => [name, typed.has(name) ? await meant(name, form.elements[name].value) : state[name]]);
  return { ...hours, ...Object.fromEntries(await Promise.all(names)) };
}

/** What a text means: as the API reads it, unless there is an app or VPC of just that name. */
async function meant(name, text) {
  if (text === read()[name] || query.literal(text) === text) return text;
  try {
    const { items } = await get(query.names(asked, name, text, 1));
    return items.some((item) => nameOf(item) === text) ? query.literal(text) : text;
  } catch {
    return text;
  }
}

const nameOf = (item) => item.app ?? item.vpc_id;

/** Offer the names that begin so. That it cannot be done is no trouble: a name can be typed. */
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
