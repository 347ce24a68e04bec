// What is asked for. It lives in the page's address, so that Back, reload and a link sent to somebody else work.

export const NAMES = ["app", "src_app", "dest_app", "vpc_id"];
export const LINKS = ["10", "20", "50", "100"];
export const COLUMNS = ["hour", "src_app", "dest_app", "vpc_id", "bytes_tx", "bytes_rx", "bytes_total", "records"];
export const FOUND = ["src_app", "dest_app", "vpc_id"];

const ANY = () => true;
const DIGITS = (text) => /^\d{1,19}$/.test(text);
const FIELDS = {
  from: ["", DIGITS],
  to: ["", DIGITS],
  ...Object.fromEntries(NAMES.map((name) => [name, ["", ANY]])),
  links: ["20", (text) => LINKS.includes(text)],
  ...Object.fromEntries(FOUND.map((name) => [`find_${name}`, ["", ANY]])),
  sort: ["-bytes_total", (text) => COLUMNS.includes(text.replace(/^-/, ""))],
  page: ["1", (text) => DIGITS(text) && text !== "0"],
};

/** Read the state out of an address; what is missing or makes no sense has its default. */
export function read(search = location.search) {
  const given = new URLSearchParams(search);
  const valueOf = ([name, [usual, fits]]) => [name, fits(given.get(name) ?? "") ? given.get(name) || usual : usual];
  return Object.fromEntries(Object.entries(FIELDS).map(valueOf));
}

/** Write the address of the present state with changes. Whatever changes, the table begins at its first page. */
export function address(changes) {
  const state = { ...read(), page: "1", ...changes };
  const pairs = Object.entries(state).filter(([name, value]) => value !== FIELDS[name][0]);
  return `?${new URLSearchParams(pairs)}`;
}

/** Go to the present state with changes; ``quietly`` leaves no step for Back, as typing should not. */
export function go(changes, quietly = false) {
  const to = address(changes);
  if (to === `?${new URLSearchParams(location.search)}`) return;
  history[quietly ? "replaceState" : "pushState"](null, "", to);
  document.dispatchEvent(new Event("statechange"));
}

/** Have Back, and every link to another state of this page, change the state without loading the page anew. */
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
