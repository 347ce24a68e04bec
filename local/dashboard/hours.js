// The panel of bytes per hour: bars, and a table of the same hours.

import { choice, countText, row, size, sumOf, sums } from "./cells.js";
import { bars } from "./bars.js";
import { picture } from "./charts.js";
import { Panel } from "./panel.js";
import * as query from "./query.js";
import { go, times } from "./state.js";
import { exact, hourText } from "./units.js";

export const hours = new Panel("hours", query.hours, (content, answer, asked) => {
  const newestFirst = answer.items;
  if (!newestFirst.length) return false;
  const all = answer.total === BigInt(newestFirst.length);
  content.querySelector("tbody").replaceChildren(...newestFirst.map((item) => tableRow(item, asked.now)));
  content.querySelector("tfoot").replaceChildren(row(["hour", all ? "Total" : "Total of these hours"], ...sums(sumOf(newestFirst))));
  const more = content.querySelector(".more");
  more.hidden = all;
  more.replaceChildren(`The newest ${exact(BigInt(newestFirst.length))} of `, countText(answer.total), " hours.");
  content.querySelector(".running").hidden = !newestFirst.some(({ hour }) => hour === asked.now);
  const items = newestFirst.toReversed();
  const shown = content.querySelector(".picture");
  const told = `Bytes per hour from ${hourText(items[0].hour)} to ${hourText(items.at(-1).hour)}.`;
  shown.setAttribute("aria-label", `${told} The table below has them all.`);
  shown.hidden = size(sumOf(items)) === 0n;
  if (!shown.hidden) picture(shown, (colours) => bars(items, asked, colours), (point) => go(times(query.hourOnly(items[point.pointNumber].hour))));
  return true;
});

function tableRow(item, now) {
  const link = choice(hourText(item.hour), times(query.hourOnly(item.hour)), "Only this hour");
  return row(["hour", link, item.hour === now ? " (running)" : ""], ...sums(item));
}
