// The links to the panels' queries. A browser sends no token with a link, so with a token the answer is shown here.

import { getText } from "./api.js";
import { byId } from "./elements.js";
import { token } from "./token.js";

/** Bring the links to life. */
export function startAnswers() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a.query");
    if (!link || token() === null || event.button !== 0) return;
    event.preventDefault();
    show(link);
  });
}

async function show(link) {
  const dialog = byId("answer");
  byId("answer-query").textContent = `GET ${new URL(link.href).pathname}${new URL(link.href).search}`;
  byId("answer-text").textContent = "Loading …";
  dialog.showModal();
  const text = await getText(link.getAttribute("href")).catch((failure) => failure.message);
  byId("answer-text").textContent = text;
}
