// Numbers as people read them: bytes in powers of 1,024, hours as dates where they look like hours since the epoch.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
// 100,000 hours after the epoch is May 1981; 70,000,000 is the year 9955, the last that a date field likes.
const FIRST_DATE = 100_000n;
const LAST_DATE = 70_000_000n;
const MILLISECONDS = 3_600_000;

/** Write a BigInt of bytes with three digits: "1.46 GiB". */
export function bytes(count) {
  let power = 0;
  while (power < UNITS.length - 1 && count >= 1024n ** BigInt(power + 1)) power += 1;
  const value = Number((count * 1000n) / 1024n ** BigInt(power)) / 1000;
  // 1,023.7 has four digits before the point, and none of them is to be spared.
  const digits = value >= 1000 ? 4 : 3;
  return `${value.toLocaleString("en", { maximumSignificantDigits: digits })} ${UNITS[power]}`;
}

/** Write a BigInt with every digit: "1,234". */
export const exact = (count) => count.toLocaleString("en");

/** Whether an hour (a BigInt) looks like hours since the Unix epoch. */
export const isDate = (hour) => hour > FIRST_DATE && hour < LAST_DATE;

/** Write an hour: "2026-11-24 07:00", or its number. */
export const hourText = (hour) => (isDate(hour) ? dateField(hour).replace("T", " ") : String(hour));

/** Write an hour as a date field takes it, in UTC: "2026-11-24T07:00". */
export const dateField = (hour) => new Date(Number(hour) * MILLISECONDS).toISOString().slice(0, 16);

/** Read what a date field gives: the hour's number as text, or "". A time within an hour counts as its beginning. */
export const hourOf = (field) => (field ? String(Math.floor(Date.parse(`${field}Z`) / MILLISECONDS)) : "");
