// What the page shows: the parameters in its address, named as the API names them. So Back, reload and a shared link work.

export const NAMES = ["app", "src_app", "dest_app", "vpc_id"];
export const COLUMNS = ["hour", "src_app", "dest_app", "vpc_id", "bytes_tx", "bytes_rx", "bytes_total", "records"];
export const REFRESH = ["30s", "1m", "5m"];

const TIMES = ["hour", "from", "to", "last"];
const REPEATED = ["hour", ...NAMES];
const USUAL = { direction: "", group_by: "", sort: "-bytes_total", page: "1", size: "25", top: "20", refresh: "" };
// They change how the API writes an answer, and none of its numbers.
const WITHOUT_EFFECT = ["include", "time"];
const API_ONLY = ["cursor", "format", "prefix"];

const empty = () => ({ ...Object.fromEntries(REPEATED.map((name) => [name, []])), from: "", to: "", last: "", ...USUAL });
const KNOWN = Object.keys(empty());

/** Changes that leave only the given times. */
export const times = (given = {}) => ({ hour: [], from: "", to: "", last: "", ...given });

/** Changes that leave no filter by name. */
export const withoutNames = () => Object.fromEntries(NAMES.map((name) => [name, []]));

/** Changes that set the given parameters back to their defaults. */
export const withoutThese = (names) => Object.fromEntries(names.filter((name) => KNOWN.includes(name)).map((name) => [name, empty()[name]]));

/**
 * Read an address into { state, problems }. The values are text that only the API validates, so that both mean the same.
 * A problem is the name of a parameter that the page cannot use, and a message.
 */
export function read(search = location.search) {
  const given = new URLSearchParams(search);
  const state = empty();
  const problems = [];
  for (const name of new Set(given.keys())) {
    const values = given.getAll(name);
    const message = problemOf(name, values);
    if (message) problems.push({ name, message });
    else if (KNOWN.includes(name)) state[name] = REPEATED.includes(name) ? values : values[0];
  }
  return { state, problems };
}

function problemOf(name, values) {
  if (API_ONLY.includes(name)) return "The API takes this parameter, but the dashboard has no use for it.";
  if (!KNOWN.includes(name) && !WITHOUT_EFFECT.includes(name)) return `Unknown parameter. The dashboard takes ${KNOWN.join(", ")}.`;
  if (values.includes("")) return "The parameter has no value.";
  if (values.length > 1 && !REPEATED.includes(name)) return "The parameter is given more than once.";
  if (name === "refresh" && !REFRESH.includes(values[0])) return `Expected one of ${REFRESH.join(", ")}.`;
  return null;
}

/** The time parameters of a state, as pairs for a query. */
export const timePairs = (state) => pairs(state).filter(([name]) => TIMES.includes(name));

/** The filters by name of a state, as pairs for a query. */
export const namePairs = (state) => pairs(state).filter(([name]) => NAMES.includes(name));

function pairs(state) {
  const each = ([name, value]) => (Array.isArray(value) ? value : [value]).map((one) => [name, one]);
  return Object.entries(state).flatMap(each).filter(([name, value]) => value !== "" && value !== USUAL[name]);
}

/** Write the address of the present state with changes. Unless the page changes, the table starts at its first one. */
export function address(changes) {
  const { state } = read();
  return `?${new URLSearchParams(pairs({ ...state, page: "1", ...changes }))}`;
}

/** Go to the present state with changes. */
export function go(changes) {
  const to = address(changes);
  if (to === `?${new URLSearchParams(location.search)}`) return;
  history.pushState(null, "", to);
  document.dispatchEvent(new Event("statechange"));
}

/** Let Back, and every link to another state of this page, change the state without loading the page again. */
export function follow() {
  addEventListener("popstate", () => document.dispatchEvent(new Event("statechange")));
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='?']");
    if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    if (link.getAttribute("href") !== location.search) history.pushState(null, "", link.getAttribute("href"));
    document.dispatchEvent(new Event("statechange"));
  });
}
