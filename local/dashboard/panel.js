// A panel: asks its question and draws the answer, or says that it is on its way, that there is nothing, or what to do.

import { advice, get } from "./api.js";
import { make } from "./elements.js";
import { address, go, NAMES } from "./state.js";
import { forget, token } from "./token.js";

export class Panel {
  /**
   * ``query`` writes the panel's question, from what is asked for. ``draw`` puts an answer into the panel's content and
   * answers whether there was anything to draw.
   */
  constructor(id, query, draw) {
    this.section = document.getElementById(id);
    this.note = this.section.querySelector(".note");
    this.content = this.section.querySelector(".content");
    this.query = query;
    this.draw = draw;
    this.drawn = null;
  }

  /**
   * Ask and draw, unless the same question has been answered already and ``anew`` is false. Answers what failed, or
   * null. Once ``signal`` is aborted nothing is drawn: what comes too late must not replace what came later.
   */
  async load(asked, signal, anew = false) {
    const url = this.query(asked);
    if (url === this.drawn && !anew) return null;
    this.drawn = null;
    this.section.setAttribute("aria-busy", "true");
    try {
      const answer = await get(url, signal);
      signal.throwIfAborted();
      this.show(asked, answer, url);
      return null;
    } catch (failure) {
      if (signal.aborted) return null;
      this.content.hidden = true;
      this.say(...told(failure));
      return failure;
    } finally {
      if (!signal.aborted) this.section.removeAttribute("aria-busy");
    }
  }

  show(asked, answer, url) {
    const focused = this.content.contains(document.activeElement);
    this.content.hidden = false;
    this.content.hidden = !this.draw(this.content, answer, asked, url);
    this.drawn = url;
    this.say(...(this.content.hidden ? nothing() : []));
    // What had the focus may be gone now; a keyboard goes on from the panel's title.
    if (focused && !this.content.contains(document.activeElement)) this.section.querySelector("h2").focus();
  }

  say(...words) {
    this.note.hidden = words.length === 0;
    this.note.replaceChildren(...words);
  }
}

function nothing() {
  const cleared = Object.fromEntries([...NAMES, "find_src_app", "find_dest_app", "find_vpc_id"].map((name) => [name, ""]));
  const link = make("a", { href: address(cleared) }, "show all flows of these hours");
  return ["Nothing matches in these hours. Choose other hours, or ", link, "."];
}

/** Say what failed, in the API's words and in ours, with a button to try again. */
export function told(failure) {
  const words = [make("p", {}, make("strong", {}, advice(failure)))];
  if (failure.message) words.push(make("p", {}, failure.message));
  const another = failure.status === 403 && token() !== null;
  const button = make("button", { type: "button" }, failure.status === 401 || another ? "Enter a token" : "Try again");
  button.addEventListener("click", () => {
    if (another) forget();
    document.dispatchEvent(new Event("askagain"));
  });
  words.push(button);
  if (failure.status === 422) {
    const newest = make("button", { type: "button" }, "Show the newest 24 hours");
    newest.addEventListener("click", () => go({ ...Object.fromEntries(NAMES.map((name) => [name, ""])), from: "", to: "" }));
    words.push(" ", newest);
  }
  return words;
}
