// Elements with text. Names are whatever an agent sent, so they only ever become text, never markup.

/** Make an element with attributes (false and null are left out) and children: elements, or anything as text. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== false && value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

export const byId = (id) => document.getElementById(id);

/** Cut the middle out of a name, by code points, so that no emoji is cut in two: what tells names apart is at their ends. */
function cut(name, length) {
  const points = Array.from(name);
  if (points.length <= length) return [name, "", ""];
  const tail = Math.floor((length - 1) / 2);
  const parts = [points.slice(0, length - 1 - tail), points.slice(length - 1 - tail, -tail), points.slice(-tail)];
  return parts.map((part) => part.join(""));
}

/** Shorten a name for a picture: "billing-reco…worker.infra". */
export function shorten(name, length) {
  const [head, middle, tail] = cut(name, length);
  return middle ? `${head}…${tail}` : head;
}

/** Shorten a name for the eye only: the text stays whole for copying, searching and screen readers. */
export function shortened(name, length) {
  const [head, middle, tail] = cut(name, length);
  return middle ? [head, make("span", { class: "middle" }, middle), tail] : [head];
}
