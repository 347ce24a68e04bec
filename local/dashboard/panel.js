// A panel: sends its query and draws the answer, or says that it is loading, that there is nothing, or what failed.

import { get } from "./api.js";
import { make } from "./elements.js";
import { failed } from "./trouble.js";

export class Panel {
  /**
   * ``query`` writes the panel's query for what is asked. ``draw`` puts an answer into the panel's content and returns
   * whether there was anything to draw.
   */
  constructor(id, query, draw) {
    this.section = document.getElementById(id);
    this.note = this.section.querySelector(".note");
    this.content = this.section.querySelector(".content");
    const title = "The answer of the API that this panel shows";
    this.link = make("a", { class: "query", target: "_blank", rel: "noopener noreferrer", title }, "API query");
    this.section.querySelector(".head").append(this.link);
    this.query = query;
    this.draw = draw;
    this.drawn = null;
    this.empty = false;
    this.width = 0;
    // How many characters of a name fit depends on the width.
    new ResizeObserver(() => this.fit()).observe(this.section);
  }

  /**
   * Send the query and draw the answer, unless the same query has been answered and ``anew`` is false. ``quiet`` leaves the
   * old numbers as they are until then. Returns what failed, or null. Once ``signal`` is aborted nothing is drawn: a late
   * answer must not replace a newer one.
   */
  async load(asked, signal, { anew = false, quiet = false } = {}) {
    const url = this.query(asked);
    if (url === this.drawn && !anew) return null;
    this.drawn = null;
    if (!quiet) this.section.setAttribute("aria-busy", "true");
    try {
      const answer = await get(url, signal);
      signal.throwIfAborted();
      this.show(asked, answer, url);
      return null;
    } catch (failure) {
      if (signal.aborted) return null;
      this.content.hidden = true;
      this.say(...failed(failure));
      return failure;
    } finally {
      if (!signal.aborted) this.section.removeAttribute("aria-busy");
    }
  }

  show(asked, answer, url) {
    this.fill = () => this.fillWith(answer, asked);
    this.fill();
    // From the root, also where a proxy has put the service below a path of its own.
    const { pathname, search } = new URL(url, location.href);
    this.link.href = pathname + search;
    this.drawn = url;
    this.say(...(this.empty ? ["Nothing to show."] : []));
  }

  fillWith(answer, asked) {
    const focused = this.content.contains(document.activeElement) ? document.activeElement : null;
    this.content.hidden = false;
    this.width = this.content.clientWidth;
    this.empty = !this.draw(this.content, answer, asked);
    this.content.hidden = this.empty;
    if (focused && !this.content.contains(document.activeElement)) this.focusLike(focused);
  }

  /** Focus what replaces an element that had the focus, or else the panel's title, so that a keyboard goes on from here. */
  focusLike(focused) {
    const href = focused.getAttribute("href");
    const same = [...this.content.querySelectorAll("a[href]")].find((link) => link.getAttribute("href") === href);
    (same ?? this.section.querySelector("h2")).focus();
  }

  /** Draw the last answer again where the panel is in sight and its width has changed. */
  fit() {
    const width = this.content.clientWidth;
    if (this.drawn !== null && width > 0 && width !== this.width) this.fill();
  }

  say(...words) {
    this.note.hidden = words.length === 0;
    this.note.replaceChildren(...words);
  }
}
