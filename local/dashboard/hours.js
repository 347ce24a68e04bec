// The panel of bytes per hour: bars, and a table of the same hours.

import { choice, countLink, row, sums } from "./cells.js";
import { picture } from "./charts.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { go } from "./state.js";
import { bytes, exact, hourText, isDate } from "./units.js";

// Beyond, bars at their true distance would be too thin to see; then each has the next place instead.
const LONGEST_AXIS = 2_000n;

export const hours = new Panel("hours", query.hours, (content, answer, asked, url) => {
  const newestFirst = answer.items;
  if (!newestFirst.length) return false;
  content.querySelector("tbody").replaceChildren(...newestFirst.map((item) => tableRow(item, asked)));
  const more = content.querySelector(".more");
  more.hidden = answer.total <= BigInt(newestFirst.length);
  more.replaceChildren(`The newest ${exact(BigInt(newestFirst.length))} of `, countLink(answer.total, url), " hours.");
  const items = newestFirst.toReversed();
  const shown = content.querySelector(".picture");
  const told = `Bytes per hour from ${hourText(items[0].hour)} to ${hourText(items.at(-1).hour)}.`;
  shown.setAttribute("aria-label", `${told} The table below has them all.`);
  picture(shown, (colours) => bars(items, colours), (point) => go(query.hourOnly(items[point.pointNumber].hour)));
  return true;
});

const tableRow = (item, asked) =>
  row([choice(hourText(item.hour), query.hourOnly(item.hour), "Only this hour")], sums(item, query.ofHour(asked, item.hour)));

function bars(items, { dark, line }) {
  const [first, last] = [items[0].hour, items.at(-1).hour];
  const near = last - first <= LONGEST_AXIS && isDate(first) === isDate(last) && last < 2n ** 53n;
  const dates = near && isDate(first);
  const x = items.map(({ hour }) => (near && !dates ? Number(hour) : hourText(hour)));
  const trace = (title, member, color) => ({
    type: "bar",
    name: title,
    x,
    y: items.map((item) => Number(item[member])),
    customdata: items.map((item) => `${hourText(item.hour)}<br>${title} ${bytes(item[member])} (${exact(item[member])} bytes)`),
    hovertemplate: "%{customdata}<extra></extra>",
    marker: { color },
  });
  const ticks = scale(items);
  return {
    data: [trace("sent", "bytes_tx", dark ? "#6ea8f5" : "#2f6fd0"), trace("received", "bytes_rx", dark ? "#f0a35b" : "#d97a1f")],
    layout: {
      barmode: "stack",
      height: 260,
      margin: { l: 72, r: 8, t: 28, b: 40 },
      legend: { orientation: "h", x: 0, y: 1.2 },
      xaxis: { type: dates ? "date" : near ? "linear" : "category", gridcolor: line, fixedrange: true, ...whole(first, last, dates) },
      yaxis: { tickvals: ticks, ticktext: ticks.map((tick) => bytes(BigInt(tick))), gridcolor: line, zeroline: false, fixedrange: true },
    },
  };
}

/** Few hours have a tick each: between two of them there is nothing to name. */
function whole(first, last, dates) {
  if (last - first > 12n) return {};
  return dates ? { dtick: 3_600_000 * (last - first > 6n ? 3 : 1) } : { dtick: 1 };
}

/** The marks of the bytes' axis: three to six, a power of two apart, so that they are round in KiB, MiB and so on. */
function scale(items) {
  const highest = Math.max(...items.map((item) => Number(item.bytes_tx + item.bytes_rx)));
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(highest / 6 || 1)));
  return Array.from({ length: Math.floor(highest / step) + 1 }, (_, index) => index * step);
}
