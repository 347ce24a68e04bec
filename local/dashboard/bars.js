// The bars of bytes per hour.

import { size } from "./cells.js";
import { bytes, exact, hourText, isDate } from "./units.js";

// Beyond, bars at their true distance would be too thin to see; then each has the next place instead.
const LONGEST_AXIS = 2_000n;
// One hour alone would be a single bar as wide as the page.
const SHORTEST_AXIS = 12n;
const HOUR_MILLISECONDS = 3_600_000;
const BAR_WIDTH = 0.8;

/** Describe the picture: ``asked`` has the hours that are asked for and the one that is running. */
export function bars(items, asked, { dark, line }) {
  const [first, last] = [items[0].hour, items.at(-1).hour];
  const near = last - first <= LONGEST_AXIS && isDate(first) === isDate(last) && last < 2n ** 53n;
  const dates = near && isDate(first);
  const x = items.map(({ hour }) => (near && !dates ? Number(hour) : hourText(hour)));
  const trace = (title, member, color) => ({
    type: "bar",
    name: title,
    x,
    y: items.map((item) => Number(item[member])),
    customdata: items.map((item) => hover(item, asked.now)),
    hovertemplate: "%{customdata}<extra></extra>",
    // Of a single hour Plotly could not tell how wide an hour is.
    ...(near ? { width: BAR_WIDTH * (dates ? HOUR_MILLISECONDS : 1) } : {}),
    // The running hour is not complete yet, and looks so.
    marker: { color, pattern: { shape: items.map(({ hour }) => (hour === asked.now ? "/" : "")), fillmode: "replace" } },
  });
  const ticks = scale(items);
  return {
    data: [trace("src → dest", "bytes_tx", dark ? "#6ea8f5" : "#2f6fd0"), trace("src ← dest", "bytes_rx", dark ? "#f0a35b" : "#d97a1f")],
    layout: {
      barmode: "stack",
      // As high as the panels beside it, where the style sheet puts it there.
      height: matchMedia("(min-width: 1800px)").matches ? 420 : 260,
      margin: { l: 72, r: 8, t: 28, b: 40 },
      legend: { orientation: "h", x: 0, y: 1.2, traceorder: "normal" },
      xaxis: { type: dates ? "date" : near ? "linear" : "category", gridcolor: line, fixedrange: true, ...(near ? axis(first, last, dates) : {}) },
      yaxis: { tickvals: ticks, ticktext: ticks.map((tick) => bytes(BigInt(tick))), gridcolor: line, zeroline: false, fixedrange: true },
    },
  };
}

const hover = (item, now) => [
  hourText(item.hour) + (item.hour === now ? " (running, not complete)" : ""),
  `Total ${bytes(size(item))} (${exact(size(item))} bytes)`,
  `src → dest ${bytes(item.bytes_tx)}`,
  `src ← dest ${bytes(item.bytes_rx)}`,
].join("<br>");

/** Few hours are no wider bars, and have a tick each: between two of them there is nothing to name. */
function axis(first, last, dates) {
  const length = last - first + 1n;
  if (length > SHORTEST_AXIS) return {};
  const free = Number(SHORTEST_AXIS - length) / 2 + 0.5;
  const range = [Number(first) - free, Number(last) + free];
  if (!dates) return { dtick: 1, range };
  return { dtick: HOUR_MILLISECONDS * 3, range: range.map((hour) => new Date(hour * HOUR_MILLISECONDS).toISOString().slice(0, 19)) };
}

/** The marks of the bytes' axis: three to six, a power of two apart, so that they are round in KiB, MiB and so on. */
function scale(items) {
  const highest = Math.max(...items.map((item) => Number(size(item))));
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(highest / 6 || 1)));
  return Array.from({ length: Math.floor(highest / step) + 1 }, (_, index) => index * step);
}
