// Words for what is in the way: wrong parameters, failures, hours without flows, a service without any.

import { advice } from "./api.js";
import { make } from "./elements.js";
import { address, namePairs, times, withoutNames, withoutThese } from "./state.js";
import { forget, token } from "./token.js";
import { exact, hourText } from "./units.js";

const latest = () => make("a", { href: address(times()) }, "Show the latest data");

/** The words for parameters that cannot be used, with a way to leave them out. */
export function refused(problems, heading) {
  const names = [...new Set(problems.map(({ name }) => name))];
  const each = problems.map(({ name, message }) => make("li", {}, make("code", {}, name), `: ${message}`));
  const without = make("a", { href: address(withoutThese(names)) }, `Show without ${names.join(", ")}`);
  return [make("p", {}, make("strong", {}, heading)), make("ul", {}, ...each), make("p", { class: "ways" }, without, latest())];
}

/** The words for a failure: ours, the API's, and a way on. */
export function failed(failure) {
  if (failure.errors.length) return refused(failure.errors, advice(failure));
  const words = [make("p", {}, make("strong", {}, advice(failure)))];
  if (failure.message) words.push(make("p", {}, failure.message));
  const another = failure.status === 403 && token() !== null;
  const button = make("button", { type: "button" }, failure.status === 401 || another ? "Sign in" : "Try again");
  button.addEventListener("click", () => {
    if (another) forget();
    document.dispatchEvent(new Event("askagain"));
  });
  return [...words, button];
}

/** The words for a query that finds nothing: which hours have flows. */
export function nothing(asked, { total, newest, oldest }) {
  const filtered = namePairs(asked).length > 0;
  const hours = total === 1n ? `Only the hour ${hourText(newest)} has data.`
    : `${exact(total)} hours have data, from ${hourText(oldest)} to ${hourText(newest)}.`;
  const ways = filtered ? [make("a", { href: address(withoutNames()) }, "Remove the filters"), latest()] : [latest()];
  return [
    make("h2", {}, filtered ? "No flows match these filters in these hours" : "No flows in these hours"),
    make("p", {}, hours),
    make("p", { class: "ways" }, ...ways),
  ];
}

/** The words for a service without flows: how to send some. */
export function noFlows() {
  const here = new URL(".", location.href).href;
  const header = token() === null ? "" : " -H 'Authorization: Bearer TOKEN'";
  const line = `curl -H 'Content-Type: application/json'${header} --data-binary @local/samples/test_data1.json ${here}flows`;
  return [
    make("h2", {}, "No flows yet"),
    make("p", {}, "Post some, with ", make("code", {}, "make submit_flow_data"), " or with curl:"),
    make("pre", { tabindex: "0" }, line),
  ];
}
