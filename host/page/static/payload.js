// Payloads as JSON, text, CBOR or hexadecimal bytes.

export function fromBase64(text) {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}

export function showPayload(data, how) {
  if (how === "hex") return hexDump(data);
  if (how === "text") return new TextDecoder().decode(data);
  if (how === "json") return asJson(data) ?? "This is no JSON: " + new TextDecoder().decode(data);
  if (how === "cbor") return asCbor(data) ?? "This is no CBOR:\n" + hexDump(data);
  return asJson(data) ?? asText(data) ?? asCbor(data) ?? hexDump(data);
}

// JSON keeps its text: a number beyond 2^53 would change if it were parsed.
function asJson(data) {
  const text = asText(data);
  if (text === null || !/^\s*[[{"]/.test(text)) return null;
  try {
    JSON.parse(text);
    return text;
  } catch {
    return null;
  }
}

function asText(data) {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(data);
    const controls = text.match(/[\u0000-\u0008\u000e-\u001f]/g)?.length ?? 0;
    return text.includes("\u0000") || controls > text.length / 10 ? null : text;
  } catch {
    return null;
  }
}

function hexDump(data) {
  const lines = [];
  for (let at = 0; at < data.length; at += 16) {
    const part = [...data.subarray(at, at + 16)];
    const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ").padEnd(48);
    const text = part.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(at.toString(16).padStart(6, "0") + "  " + hex + " " + text);
  }
  return lines.join("\n");
}

// Diagnostic notation of CBOR [RFC 8949, 8].
function asCbor(data) {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let at = 0;
  const take = (length) => {
    if (at + length > data.length) throw new RangeError("short");
    at += length;
    return at - length;
  };
  const argument = (info) => {
    if (info < 24) return BigInt(info);
    if (info === 24) return BigInt(view.getUint8(take(1)));
    if (info === 25) return BigInt(view.getUint16(take(2)));
    if (info === 26) return BigInt(view.getUint32(take(4)));
    if (info === 27) return view.getBigUint64(take(8));
    throw new RangeError("reserved");
  };
  const item = (depth) => {
    if (depth > 32) throw new RangeError("deep");
    const head = view.getUint8(take(1));
    const [major, info] = [head >> 5, head & 31];
    if (major === 7) {
      if (info === 20 || info === 21) return info === 21 ? "true" : "false";
      if (info === 22) return "null";
      if (info === 23) return "undefined";
      if (info === 25) return String(half(view.getUint16(take(2))));
      if (info === 26) return String(view.getFloat32(take(4)));
      if (info === 27) return String(view.getFloat64(take(8)));
      throw new RangeError("simple");
    }
    if (info === 31) throw new RangeError("indefinite");
    const value = argument(info);
    if (major === 0) return String(value);
    if (major === 1) return String(-1n - value);
    if (major === 6) return value + "(" + item(depth + 1) + ")";
    const length = Number(value);
    if (major === 2) {
      const start = take(length);
      return "h'" + [...data.subarray(start, at)].map((byte) => byte.toString(16).padStart(2, "0")).join("") + "'";
    }
    if (major === 3) {
      const start = take(length);
      return JSON.stringify(new TextDecoder("utf-8", { fatal: true }).decode(data.subarray(start, at)));
    }
    if (length > data.length) throw new RangeError("short");
    const parts = [];
    for (let index = 0; index < length; index++) {
      parts.push(major === 5 ? item(depth + 1) + ": " + item(depth + 1) : item(depth + 1));
    }
    return major === 5 ? "{" + parts.join(", ") + "}" : "[" + parts.join(", ") + "]";
  };
  try {
    const text = item(0);
    return at === data.length ? text : null;
  } catch {
    return null;
  }
}

function half(bits) {
  const [exponent, fraction] = [(bits >> 10) & 31, bits & 1023];
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}
