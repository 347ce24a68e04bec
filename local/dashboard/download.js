// The table as a CSV file: a link to the API, or with a token, which a browser does not send with a link, a fetched file.

import { getBlob } from "./api.js";
import { byId, make } from "./elements.js";
import * as query from "./query.js";
import { read } from "./state.js";
import { token } from "./token.js";
import { hourText } from "./units.js";

/** Point the link at all rows of the table that is shown. */
export function showDownload(asked) {
  const link = byId("csv");
  link.href = query.csv(asked, read().state.sort !== read("").state.sort);
  link.download = `${["flows", asked.range.from, asked.range.to].filter((part) => part !== null).map(part).join("_")}.csv`;
}

const part = (value) => (typeof value === "bigint" ? hourText(value).replace(" ", "T").replace(":00", "") : value);

/** Bring the link to life; ``failed`` is called with what went wrong. */
export function startDownload(failed) {
  byId("csv").addEventListener("click", (event) => {
    if (token() === null) return;
    event.preventDefault();
    save(event.target).catch(failed);
  });
}

async function save(link) {
  const address = URL.createObjectURL(await getBlob(link.getAttribute("href")));
  make("a", { href: address, download: link.download }).click();
  URL.revokeObjectURL(address);
}
