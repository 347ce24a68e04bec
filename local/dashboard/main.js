// The page: address -> queries -> panels, again whenever the address changes.

import { startAnswers } from "./answer.js";
import { advice, get, serverTime } from "./api.js";
import { showDownload, startDownload } from "./download.js";
import { byId, make } from "./elements.js";
import { showFilters, startFilters } from "./filters.js";
import { flows, startFlows } from "./flows.js";
import { graph, startGraph } from "./graph.js";
import { hours } from "./hours.js";
import { newestHours, oldestHour } from "./query.js";
import { schedule, startRefresh } from "./refresh.js";
import { follow, read, timePairs } from "./state.js";
import { talkers } from "./talkers.js";
import { hourOf, rangeOf } from "./times.js";
import { startToken } from "./token.js";
import { total } from "./total.js";
import { failed, noFlows, nothing, refused } from "./trouble.js";

const PANELS = [total, graph, talkers, hours, flows];
const USUAL_HOURS = 24;

let running = new AbortController();

/**
 * Show the present state. ``anew`` sends again also the queries that have been answered, ``quiet`` leaves the numbers as they
 * are until the new ones are there. Whatever is still on its way is given up.
 */
async function show({ anew = false, quiet = false } = {}) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const { state, problems } = read();
  byId("main").setAttribute("aria-busy", "true");
  if (!quiet) say("Loading …");
  try {
    if (problems.length) stop(...refused(problems, "The dashboard cannot show this address."));
    else await load(state, signal, { anew, quiet });
  } catch (failure) {
    if (!signal.aborted) stop(...failed(failure));
  }
  if (signal.aborted) return;
  byId("main").setAttribute("aria-busy", "false");
  schedule(state);
}

async function load(state, signal, how) {
  const found = await get(newestHours(USUAL_HOURS), signal);
  if (!found.items.length) return stop(...noFlows(), lookAgain());
  const asked = settle(state, found.items);
  showFilters(asked);
  showDownload(asked);
  if (!byId("trouble").hidden) showTrouble();
  const failures = (await Promise.all(PANELS.map((panel) => panel.load(asked, signal, how)))).filter(Boolean);
  if (signal.aborted) return;
  // Said once, and not in every panel.
  if (failures.length === PANELS.length) throw failures[0];
  if (total.empty) return stop(...nothing(asked, await hoursWithData(found, signal)));
  showUpdated();
  say(failures.length ? `Could not load all data. ${reasons(failures)}` : "", failures.length > 0);
}

/** What is asked for: the state, with the newest hours that have data where it names none. */
function settle(state, items) {
  const newest = items[0].hour;
  const given = timePairs(state);
  const usual = [["from", String(items.at(-1).hour)], ["to", String(newest + 1n)]];
  const time = given.length ? given : usual;
  const now = hourOf(serverTime());
  const range = rangeOf(given.length ? state : { ...state, ...Object.fromEntries(usual) }, now);
  return { ...state, time, range, newest, now, usual: given.length === 0 };
}

async function hoursWithData({ items, total: count }, signal) {
  const { items: [oldest] } = await get(oldestHour(count), signal);
  return { total: count, newest: items[0].hour, oldest: oldest?.hour ?? items.at(-1).hour };
}

const reasons = (failures) =>
  [...new Set(failures.flatMap(({ errors }) => errors.map(({ name, message }) => `${name}: ${message}.`)))].join(" ")
  || advice(failures[0]);

function lookAgain() {
  const button = make("button", { type: "button" }, "Refresh");
  button.addEventListener("click", () => show({ anew: true }));
  return button;
}

/** Show what is in the way of every panel, instead of them. */
function stop(...words) {
  showTrouble(...words);
  say("");
}

function showTrouble(...words) {
  byId("trouble").hidden = words.length === 0;
  byId("trouble").replaceChildren(...words);
  for (const { section } of PANELS) section.hidden = words.length > 0;
}

function say(words, wrong = false) {
  byId("status").textContent = words;
  byId("status").classList.toggle("wrong", wrong);
}

function showUpdated() {
  byId("updated").textContent = `Updated ${serverTime().toISOString().slice(11, 19)}`;
}

startToken(() => show({ anew: true }));
startAnswers();
startDownload((failure) => say(`Could not download the table. ${advice(failure)}`, true));
startFilters();
startGraph();
startFlows();
startRefresh(() => show({ anew: true, quiet: true }));
follow();
document.addEventListener("statechange", () => show());
// Only what has failed; the rest is still there.
document.addEventListener("askagain", () => show());
byId("refresh").addEventListener("click", () => show({ anew: true }));
show();
