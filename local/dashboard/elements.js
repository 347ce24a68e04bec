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

/** Shorten a name for a picture, by code points, so that no emoji is cut in two. */
export function shorten(name, length) {
  const points = Array.from(name);
  return points.length > length ? `${points.slice(0, length - 1).join("")}…` : name;
}
