// Plotly, out of its Python package, and what its pictures here have in common.

import { byId, make } from "./elements.js";

const SOURCE = "dashboard/plotly.min.js";
const SETTINGS = { displayModeBar: false, responsive: true };
const WITHOUT = "The server has no plotly package to draw with. The table has the same numbers.";
const drawn = new Map();

// It is large. It loads beside the numbers, and the tables do not wait for it.
const library = new Promise((resolve) => {
  const script = make("script", { src: SOURCE });
  script.addEventListener("load", () => resolve(globalThis.Plotly));
  script.addEventListener("error", () => resolve(null));
  document.head.append(script);
});

/**
 * Draw a picture into an element. ``describe`` returns its data and layout for the colours of the present theme and the
 * element's width; ``clicked`` is called with the point that was clicked.
 */
export async function picture(element, describe, clicked) {
  drawn.set(element, { describe, clicked });
  const loaded = await library;
  if (loaded) return draw(element, loaded);
  element.classList.add("without");
  element.textContent = WITHOUT;
}

async function draw(element, { react }) {
  const { describe, clicked } = drawn.get(element);
  const colours = theme();
  const { data, layout } = describe(colours, element.clientWidth);
  await react(element, data, { ...common(colours), ...layout }, SETTINGS);
  element.removeAllListeners("plotly_click");
  element.on("plotly_click", (event) => clicked(event.points[0]));
}

document.addEventListener("themechange", async () => {
  const loaded = await library;
  for (const element of loaded ? drawn.keys() : []) if (element.clientWidth) await draw(element, loaded);
});

function theme() {
  const style = (name) => getComputedStyle(byId("graph")).getPropertyValue(name);
  const dark = document.documentElement.dataset.theme === "dark";
  return { dark, text: style("color"), paper: style("background-color"), line: dark ? "#444c5a" : "#d5dae2" };
}

const common = ({ text, paper, line }) => ({
  paper_bgcolor: "rgba(0,0,0,0)",
  plot_bgcolor: "rgba(0,0,0,0)",
  font: { color: text, family: "system-ui, sans-serif", size: 12 },
  hoverlabel: { bgcolor: paper, bordercolor: line, font: { color: text }, align: "left" },
  margin: { l: 8, r: 8, t: 8, b: 8 },
});

/** Write text so that Plotly shows it as it is: it takes <a>, <b> and the like, and entities, for markup. */
export const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
