// Texts, bytes and JSON. The engine inside of a component has no `TextEncoder`.

/** UTF-8 of a text. */
export function bytesOf(text) {
  const bytes = [];
  for (const character of text) {
    let code = character.codePointAt(0);
    if (code >= 0xd800 && code <= 0xdfff) code = 0xfffd;
    if (code < 0x80) bytes.push(code);
    else if (code < 0x800) bytes.push(0xc0 | (code >> 6), 0x80 | (code & 63));
    else if (code < 0x10000) bytes.push(0xe0 | (code >> 12), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    else {
      bytes.push(0xf0 | (code >> 18), 0x80 | ((code >> 12) & 63), 0x80 | ((code >> 6) & 63), 0x80 | (code & 63));
    }
  }
  return new Uint8Array(bytes);
}

/** Text of UTF-8; undefined if it is not valid. */
export function textOf(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at++];
    if (first < 0x80) {
      text += String.fromCharCode(first);
      continue;
    }
    const more = first >= 0xf0 && first < 0xf5 ? 3 : first >= 0xe0 && first < 0xf0 ? 2 : first >= 0xc2 && first < 0xe0 ? 1 : 0;
    if (more === 0 || at + more > bytes.length) return undefined;
    let code = first & (0x3f >> more);
    for (let index = 0; index < more; index++) {
      const next = bytes[at++];
      if ((next & 0xc0) !== 0x80) return undefined;
      code = (code << 6) | (next & 0x3f);
    }
    const least = [0, 0x80, 0x800, 0x10000][more];
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return undefined;
    text += String.fromCodePoint(code);
  }
  return text;
}

// Marks a text in JSON that stands for an integer; JSON of senders can contain it only as an escape.
const MARK = "\u0001n";
const LARGE = /"(?:[^"\\]|\\.)*"|-?\d{16,}(?![\d.eE])/g;

/** Parses JSON. Integers beyond 2^53 become `BigInt`, so that no digit is lost. */
export function parseJson(text) {
  if (!/\d{16}/.test(text) || text.includes("\\u0001")) return JSON.parse(text);
  const marked = text.replace(LARGE, (found) => (found[0] === '"' ? found : `"\\u0001n${found}"`));
  return JSON.parse(marked, (_, value) => {
    if (typeof value !== "string" || !value.startsWith(MARK)) return value;
    const number = Number(value.slice(2));
    return Number.isSafeInteger(number) ? number : BigInt(value.slice(2));
  });
}

/** JSON of a value, in which a `BigInt` is an integer. */
export function textOfJson(value) {
  let hasLarge = false;
  const marked = JSON.stringify(value, (_, item) => {
    if (typeof item !== "bigint") return item;
    hasLarge = true;
    return `${MARK}${item}`;
  });
  return hasLarge ? marked.replace(/"\\u0001n(-?\d+)"/g, "$1") : marked;
}
