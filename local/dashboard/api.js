// Asks the API: with the token, exact numbers, and every failure as words that say what to do.

import { parse } from "./exact.js";
import { askToken, token } from "./token.js";

/**
 * The API did not answer what was asked. ``status`` is 0 where it did not answer at all; ``errors`` are the parameters
 * that it refused, as { name, message }.
 */
export class Failure extends Error {
  constructor(status, message, errors = []) {
    super(message);
    this.status = status;
    this.errors = errors;
  }
}

const ADVICE = {
  0: "Could not load data: the server does not answer.",
  401: "Sign in with a token to see flows.",
  403: "This token does not allow reading. Use a token with the role read or admin.",
  404: "Could not load data: the server does not know this query. It may be older than this page.",
  422: "The API does not accept this query.",
  429: "Too many requests. Wait a moment, then try again.",
  503: "The server is busy or cannot reach its database. Try again in a moment.",
};

/** Say what to do about a failure. */
export const advice = (failure) => ADVICE[failure.status] ?? "Could not load data: the server failed.";

let answered = null;

/** The server's time in its last answer, as a Date; this computer's clock may be wrong. */
export const serverTime = () => answered ?? new Date();

/** GET a JSON answer. Throws Failure, and AbortError once ``signal`` is aborted. */
export async function get(url, signal) {
  const text = await getText(url, signal);
  try {
    return parse(text);
  } catch {
    throw new Failure(500, "The answer is not JSON");
  }
}

/** GET an answer's text. Throws as get does. */
export const getText = async (url, signal) => body(await ask(url, signal), "text", signal);

/** GET an answer as a Blob. Throws as get does. */
export const getBlob = async (url) => body(await ask(url), "blob");

async function body(response, kind, signal) {
  const content = await response[kind]().catch(unreachable(signal));
  signal?.throwIfAborted();
  return content;
}

/** GET an answer, asking for a token where one is needed. */
async function ask(url, signal) {
  for (;;) {
    const used = token();
    const response = await send(url, used, signal);
    signal?.throwIfAborted();
    if (response.ok) return response;
    const error = membersOf(await body(response, "text", signal));
    const less = response.status === 422 ? fewer(url, error.errors ?? []) : url;
    if (less !== url) url = less;
    else if (response.status !== 401 || !(await askToken(used, error.error_message))) throw failureOf(response.status, error);
    signal?.throwIfAborted();
  }
}

function failureOf(status, { error_message: message = "", errors = [] }) {
  const named = errors.filter(({ loc }) => loc[0] === "query").map(({ loc, msg }) => ({ name: String(loc[1]), message: msg }));
  return new Failure(status, message, named);
}

/**
 * The same query for as many rows as MAX_PAGE_SIZE allows, where the API refuses a number that this page has chosen. A
 * number in the address is the user's, and its refusal is shown.
 */
function fewer(url, errors) {
  const chosen = new URLSearchParams(location.search);
  for (const { loc, msg } of errors) {
    const [most] = msg.match(/(?<=from 1 to )\d+$/) ?? [];
    if (most && loc[1] !== "page" && !chosen.has(loc[1])) url = url.replace(new RegExp(`([?&]${loc[1]}=)\\d+`), `$1${most}`);
  }
  return url;
}

async function send(url, used, signal) {
  const headers = { Accept: "application/json", ...(used === null ? {} : { Authorization: `Bearer ${used}` }) };
  const response = await fetch(url, { headers, signal, credentials: "same-origin" }).catch(unreachable(signal));
  const date = response.headers.get("Date");
  if (date) answered = new Date(date);
  return response;
}

const unreachable = (signal) => (error) => {
  signal?.throwIfAborted();
  throw new Failure(0, error instanceof TypeError ? "" : error.message);
};

/** The members of an error, or none where something else than the service has answered. */
function membersOf(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
