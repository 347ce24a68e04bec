// The token: asked for once the API wants one, kept in this tab's session only.

import { byId } from "./elements.js";

const KEPT = "flows-token";
let asking = null;

/** The token there is, or null. */
export function token() {
  try {
    return sessionStorage.getItem(KEPT);
  } catch {
    // A browser may forbid storage; then there is a token only while it is asked for again and again.
    return null;
  }
}

/** Forget the token. */
export function forget() {
  if (token() !== null) sessionStorage.removeItem(KEPT);
  showSignOut();
}

/**
 * Ask for a token, once for all who wait for it. ``used`` is the one that was refused, or null, ``why`` the API's words.
 * Answers whether there is one to try.
 */
export function askToken(used, why) {
  // Somebody else has been given another one since.
  if (token() !== null && token() !== used) return Promise.resolve(true);
  forget();
  asking ??= ask(used === null ? "" : `${why}.`).finally(() => (asking = null));
  return asking;
}

async function ask(wrong) {
  const dialog = byId("token");
  const field = dialog.querySelector("input");
  byId("token-wrong").textContent = wrong;
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
  const given = dialog.returnValue === "given" ? field.value.trim() : "";
  field.value = "";
  if (given) sessionStorage.setItem(KEPT, given);
  showSignOut();
  return given !== "";
}

function showSignOut() {
  byId("sign-out").hidden = token() === null;
}

/** Bring the dialog and the button to life; ``forgotten`` is called when there is no token any more. */
export function startToken(forgotten) {
  const dialog = byId("token");
  dialog.querySelector("form").addEventListener("submit", (event) => {
    event.preventDefault();
    dialog.close("given");
  });
  byId("token-cancel").addEventListener("click", () => dialog.close(""));
  byId("sign-out").addEventListener("click", () => {
    forget();
    forgotten();
  });
  showSignOut();
}
