// Hours in text: numbers, or UTC times on a 24-hour clock that mean hours since the Unix epoch.

const MILLISECONDS = 3_600_000;
const WHOLE = /^\d{1,19}$/;
const MOST = 2n ** 63n - 1n;
const TIME = /^(\d{4})-(\d\d)-(\d\d)(?:[T ](\d\d)(?::(\d\d)(?::(\d\d)(?:[.,]\d{1,9})?)?)? ?(Z|[-+]\d\d(?::?\d\d)?)?)?$/i;
const LAST = /^([1-9]\d{0,5})([hdw])$/;
const HOURS_IN = { h: 1n, d: 24n, w: 168n };

export const DAY = /^\d{4}-\d\d-\d\d$/;

/**
 * Parse an hour: its number, "2026-11-24", "2026-11-24 07", "2026-11-24 07:30", with a T or a zone too. A time within an hour
 * is that hour, or with ``up`` the next one. Returns a BigInt, or null where the text is no hour.
 */
export function parseHour(text, up = false) {
  if (WHOLE.test(text)) return BigInt(text) <= MOST ? BigInt(text) : null;
  const [, year, month, day, hour = "00", minute = "00", second = "00", zone = "Z"] = TIME.exec(text) ?? [];
  const time = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  // A day that does not exist, such as February 30, becomes a day of the next month.
  if (Number.isNaN(time.getTime()) || time.getUTCDate() !== Number(day)) return null;
  const hours = (time.getTime() - offset(zone)) / MILLISECONDS;
  return hours < 0 ? null : BigInt(up ? Math.ceil(hours) : Math.floor(hours));
}

/** Milliseconds of a zone such as "Z", "+02" or "-05:30". */
function offset(zone) {
  const [, sign, hours, minutes = "0"] = /^([-+])(\d\d):?(\d\d)?$/.exec(zone) ?? [null, "+", "0"];
  return (sign === "-" ? -60_000 : 60_000) * (Number(hours) * 60 + Number(minutes));
}

/**
 * The hours that time parameters mean, as { from, to }: BigInts, or null for an end that they do not give. ``now`` is the
 * running hour. Values that are no hours give null; the API names what is wrong with them.
 */
export function rangeOf({ hour, from, to, last }, now) {
  if (hour.length > 1) return { from: null, to: null };
  if (hour.length === 1) return spanOf(parseHour(hour[0]), DAY.test(hour[0]) ? 24n : 1n);
  if (last) {
    const [, count, unit] = LAST.exec(last) ?? [];
    const length = count ? BigInt(count) * HOURS_IN[unit] : 0n;
    if (length === 0n) return { from: null, to: null };
    return { from: length > now ? 0n : now + 1n - length, to: now + 1n };
  }
  return { from: parseHour(from), to: parseHour(to, true) };
}

const spanOf = (first, length) => ({ from: first, to: first === null ? null : first + length });

/** The hour of a Date. */
export const hourOf = (date) => BigInt(Math.floor(date.getTime() / MILLISECONDS));
