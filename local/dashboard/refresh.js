// Auto-refresh: loads the numbers again every so often, while it is not paused and the tab is in sight.

import { byId } from "./elements.js";
import { go, read } from "./state.js";

const SECONDS = { "30s": 30, "1m": 60, "5m": 300 };

let load = () => {};
let timer = null;
let due = Infinity;
let paused = false;

/** Bring the controls to life; ``again`` loads the numbers. */
export function startRefresh(again) {
  load = again;
  byId("refresh-every").addEventListener("change", (event) => go({ refresh: event.target.value, page: read().state.page }));
  byId("pause").addEventListener("click", () => {
    paused = !paused;
    showPause();
    wait();
  });
  document.addEventListener("visibilitychange", wait);
}

/** Show the chosen interval, and start to wait anew: the numbers have just been loaded. */
export function schedule({ refresh }) {
  byId("refresh-every").value = refresh;
  byId("pause").hidden = refresh === "";
  if (refresh === "") paused = false;
  showPause();
  due = refresh === "" ? Infinity : Date.now() + SECONDS[refresh] * 1000;
  wait();
}

function showPause() {
  byId("pause").setAttribute("aria-pressed", String(paused));
}

function wait() {
  clearTimeout(timer);
  if (paused || document.hidden || due === Infinity) return;
  timer = setTimeout(load, Math.max(0, due - Date.now()));
}
