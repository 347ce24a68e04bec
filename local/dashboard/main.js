// The page: state -> questions -> panels, again whenever the state changes.

import { startAnswers } from "./answer.js";
import { get } from "./api.js";
import { byId, make } from "./elements.js";
import { showFilters, startFilters } from "./filters.js";
import { flows, showSearch, startFlows } from "./flows.js";
import { graph, startGraph } from "./graph.js";
import { hours } from "./hours.js";
import { told } from "./panel.js";
import { newestHours } from "./query.js";
import { follow, read } from "./state.js";
import { startToken, token } from "./token.js";
import { total } from "./total.js";
import { talkers } from "./talkers.js";

const PANELS = [total, graph, talkers, hours, flows];
const USUAL_HOURS = 24;

let running = new AbortController();

/** Show the present state; ``anew`` asks again also what has been answered. Whatever is still on its way is given up. */
async function show(anew = false) {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const state = read();
  say("Loading …");
  showSearch(state);
  try {
    const asked = await settle(state, signal);
    if (signal.aborted) return;
    if (asked === null) return showEmpty();
    showFilters(asked);
    showTrouble();
    const failures = await Promise.all(PANELS.map((panel) => panel.load(asked, signal, anew)));
    if (signal.aborted) return;
    // Said once, and not in every panel.
    if (failures.every(Boolean)) throw failures[0];
    say(failures.some(Boolean) ? "Some of the numbers could not be had." : "Up to date.");
  } catch (failure) {
    if (signal.aborted) return;
    showTrouble(...told(failure));
    say("The numbers could not be had.");
  }
}

/** What is asked for: the state, with the newest hours there are where it names none. null where there are no flows. */
async function settle(state, signal) {
  const { items } = await get(newestHours(USUAL_HOURS), signal);
  if (!items.length) return null;
  const newest = items[0].hour;
  if (state.from || state.to) return { ...state, from: state.from || "0", newest };
  return { ...state, from: String(items.at(-1).hour), to: String(newest + 1n), newest, usual: true };
}

function showEmpty() {
  const here = new URL(".", location.href).href;
  const header = token() === null ? "" : " -H 'Authorization: Bearer TOKEN'";
  const line = `curl -H 'Content-Type: application/json'${header} --data-binary @local/samples/test_data1.json ${here}flows`;
  const again = make("button", { type: "button" }, "Look again");
  again.addEventListener("click", () => show(true));
  showTrouble(
    make("h2", {}, "There are no flows yet"),
    make("p", {}, "Post some, with ", make("code", {}, "make submit_flow_data"), " or with curl:"),
    make("pre", { tabindex: "0" }, line),
    again,
  );
  say("There are no flows yet.");
}

/** Show what is in the way of every panel, instead of them; nothing: show them. */
function showTrouble(...words) {
  byId("trouble").hidden = words.length === 0;
  byId("trouble").replaceChildren(...words);
  for (const { section } of PANELS) section.hidden = words.length > 0;
}

function say(words) {
  byId("status").textContent = words;
}

startToken(() => show(true));
startAnswers();
startFilters();
startGraph();
startFlows();
follow();
document.addEventListener("statechange", () => show());
// What has failed only; the rest is still there.
document.addEventListener("askagain", () => show());
byId("refresh").addEventListener("click", () => show(true));
show();
