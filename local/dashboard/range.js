// The choice of hours: presets, a step back or on, and two fields of text, which look the same in every browser and language.

import { byId, make } from "./elements.js";
import { address, go, timePairs, times } from "./state.js";
import { parseHour } from "./times.js";
import { hourText, isDate } from "./units.js";

const PRESETS = [
  ["Latest data", {}, "The newest 24 hours that have data"],
  ["1 h", { last: "1h" }, "The running hour"],
  ["6 h", { last: "6h" }, "The last 6 hours"],
  ["24 h", { last: "24h" }, "The last 24 hours"],
  ["7 d", { last: "7d" }, "The last 7 days"],
  ["All", { from: "0" }, "All hours"],
];
const EXPECTED = "Write a UTC time such as 2026-11-24 07:00, or the number of an hour.";

let asked = { range: {} };
let shown = {};

/** Show which hours are asked for. */
export function showRange(now) {
  asked = now;
  byId("presets").replaceChildren(...PRESETS.filter(fits).map(preset));
  const { from, to } = now.range;
  showField("from", from, "first hour");
  showField("until", to, "last hour");
  complain("");
  step("earlier", from !== null && to !== null && from > 0n ? [max(0n, from - (to - from)), from] : null);
  step("later", from !== null && to !== null && to <= now.newest ? [to, to + (to - from)] : null);
}

const max = (a, b) => (a > b ? a : b);

/** The last hours until now are none where hours are just numbers. */
const fits = ([, given]) => !given.last || isDate(asked.newest);

function preset([text, given, title]) {
  const pairs = Object.entries(given);
  const chosen = asked.usual ? pairs.length === 0 : String(asked.time) === String(pairs) && pairs.length > 0;
  return make("a", { href: address(times(given)), title, "aria-current": chosen && "true" }, text);
}

/** Show an end of the range; the beginning of time is no date worth reading. */
function showField(name, hour, open) {
  const field = byId(name);
  const text = hour === null || (hour === 0n && isDate(asked.newest)) ? "" : hourText(hour);
  field.placeholder = asked.time.filter(([each]) => each === "hour").length > 1 ? "several hours" : open;
  // Somebody may be writing while the numbers are refreshed.
  if (field.value === (shown[name] ?? field.value) || document.activeElement !== field) field.value = text;
  shown[name] = text;
}

function step(id, range) {
  const link = byId(id);
  if (range) link.setAttribute("href", address(times({ from: String(range[0]), to: String(range[1]) })));
  else link.removeAttribute("href");
}

/**
 * The changes that the fields ask for: none where nobody has changed them, so that the latest data, and ranges that end
 * now, stay what they are. null where a field makes no sense, which is then said beside it.
 */
export function rangeGiven() {
  const [from, until] = ["from", "until"].map((name) => byId(name).value.trim());
  if (from === shown.from && until === shown.until) return {};
  const hours = [from === "" ? 0n : parseHour(from), until === "" ? null : parseHour(until, true)];
  if (hours[0] === null) return complain(`From: ${EXPECTED}`, "from");
  if (until !== "" && hours[1] === null) return complain(`Until: ${EXPECTED}`, "until");
  if (until !== "" && hours[1] <= hours[0]) return complain("Until must be later than From: its hour is not included.", "until");
  shown = {};
  return times({ from: String(hours[0]), to: until === "" ? "" : String(hours[1]) });
}

function complain(message, wrong = null) {
  byId("range-wrong").textContent = message;
  for (const name of ["from", "until"]) byId(name).setAttribute("aria-invalid", String(name === wrong));
  if (wrong) byId(wrong).focus();
  return null;
}

/** Bring the fields to life: a changed hour is applied with Enter, or as soon as the field is left. */
export function startRange() {
  for (const name of ["from", "until"]) byId(name).addEventListener("change", () => byId("filters").requestSubmit());
}
