// Numbers as people read them: bytes in powers of 1,024, shares in percent, hours as UTC times where they look like ones.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"];
// 100,000 hours after the epoch is May 1981; 70,000,000 is the year 9955, the last with four digits.
const FIRST_DATE = 100_000n;
const LAST_DATE = 70_000_000n;
const MILLISECONDS = 3_600_000;

/** Write a BigInt of bytes with three digits: "1.46 GiB". */
export function bytes(count) {
  let power = 0;
  while (power < UNITS.length - 1 && count >= 1024n ** BigInt(power + 1)) power += 1;
  const value = Number((count * 1000n) / 1024n ** BigInt(power)) / 1000;
  // 1,023.7 has four digits before the point, which all count.
  const digits = value >= 1000 ? 4 : 3;
  return `${value.toLocaleString("en", { maximumSignificantDigits: digits })} ${UNITS[power]}`;
}

/** Write a BigInt with every digit: "1,234". */
export const exact = (count) => count.toLocaleString("en");

/** Write a BigInt's share of another one: "29 %", "0.4 %". */
export function percent(part, whole) {
  if (whole === 0n) return "0 %";
  const value = Number((part * 10_000n) / whole) / 100;
  if (value < 0.1 && part > 0n) return "< 0.1 %";
  // Only all of it is 100 %, and only nothing of it is 0 %.
  if (value > 99.9 && part < whole) return "> 99.9 %";
  return `${value.toLocaleString("en", { maximumFractionDigits: value < 10 || value > 99 ? 1 : 0 })} %`;
}

/** Whether an hour (a BigInt) looks like hours since the Unix epoch. */
export const isDate = (hour) => hour > FIRST_DATE && hour < LAST_DATE;

/** Write an hour: "2026-11-24 07:00", or its number. */
export const hourText = (hour) =>
  isDate(hour) ? new Date(Number(hour) * MILLISECONDS).toISOString().slice(0, 16).replace("T", " ") : String(hour);
