// JSON with exact whole numbers: sums pass 2^53, beyond which JSON.parse rounds. Every number becomes a BigInt.

const TOKEN = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;
// No name holds a NUL, so a string that begins with one is a number that was put in quotes here.
const MARK = "\u0000";

/** Parse JSON text, whole numbers as BigInt. Throws SyntaxError. */
export function parse(text) {
  const quoted = text.replace(TOKEN, (token) => (token[0] === '"' ? token : `"\\u0000${token}"`));
  return JSON.parse(quoted, (_, value) => (typeof value === "string" && value[0] === MARK ? number(value) : value));
}

function number(marked) {
  const digits = marked.slice(1);
  return /^-?\d+$/.test(digits) ? BigInt(digits) : Number(digits);
}
