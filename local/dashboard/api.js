// Asks the API: with the token, exact numbers, and every failure as words that say what to do.

import { parse } from "./exact.js";
import { askToken, token } from "./token.js";

/** The API did not answer what was asked; ``status`` is 0 where it did not answer at all. */
export class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const ADVICE = {
  0: "The server does not answer. Is it running? make start_server starts it.",
  401: "The flows are for those who have a token.",
  403: "This token may not read: take one with the role read or admin.",
  404: "The server does not know this question; it may be older than this page.",
  422: "The server does not accept the question. Change the hours or filters.",
  429: "Too many questions in too short a time. Wait a moment, then try again.",
  503: "The server is busy or its database is out of reach. Try again in a moment.",
};

/** Say what to do about a failure. */
export const advice = (failure) => ADVICE[failure.status] ?? "The server has failed; its log tells more.";

/** GET a JSON answer. Throws Failure, and AbortError once ``signal`` is. */
export async function get(url, signal) {
  return read(await getText(url, signal));
}

/** GET an answer's text, asking for a token where one is needed. Throws as get does. */
export async function getText(url, signal) {
  for (;;) {
    const used = token();
    const response = await send(url, used, signal);
    const text = await response.text().catch(unreachable(signal));
    signal?.throwIfAborted();
    if (response.ok) return text;
    const less = response.status === 422 ? fewer(url, text) : url;
    if (less !== url) url = less;
    else if (response.status !== 401 || !(await askToken(used, told(text).error_message))) {
      throw new Failure(response.status, told(text).error_message ?? "");
    }
    signal?.throwIfAborted();
  }
}

/** The same question for as many rows as MAX_PAGE_SIZE allows, where a refusal says that these are too many. */
function fewer(url, text) {
  for (const { loc, msg } of told(text).errors ?? []) {
    const [most] = msg.match(/(?<=from 1 to )\d+$/) ?? [];
    if (most && loc[1] !== "page") url = url.replace(new RegExp(`([?&]${loc[1]}=)\\d+`), `$1${most}`);
  }
  return url;
}

function send(url, used, signal) {
  const headers = { Accept: "application/json", ...(used === null ? {} : { Authorization: `Bearer ${used}` }) };
  return fetch(url, { headers, signal, credentials: "same-origin" }).catch(unreachable(signal));
}

const unreachable = (signal) => (error) => {
  signal?.throwIfAborted();
  throw new Failure(0, error.message);
};

function read(text) {
  try {
    return parse(text);
  } catch {
    throw new Failure(500, "What came is not JSON");
  }
}

/** The members of an error, or none where something else than the service has answered. */
function told(text) {
  try {
    return JSON.parse(text) ?? {};
  } catch {
    return {};
  }
}
