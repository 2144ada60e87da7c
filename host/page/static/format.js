// Numbers, times and states as text.

export const STATES = [
  { letter: "c", name: "connected", sign: "●" },
  { letter: "o", name: "offline", sign: "○" },
  { letter: "s", name: "silent", sign: "◐" },
  { letter: "x", name: "crashed", sign: "✕" },
  { letter: "d", name: "stopped", sign: "■" },
  { letter: "f", name: "failed", sign: "▲" },
];

const STATE_OF_LETTER = new Map(STATES.map((state, code) => [state.letter, code]));

export function codeOf(letter) {
  return STATE_OF_LETTER.get(letter) ?? 4;
}

export function count(value) {
  if (value === null || value === undefined) return "not known";
  return Math.round(value).toLocaleString("en");
}

export function rate(value) {
  if (value === null || value === undefined) return "not known";
  if (value === 0) return "0/s";
  return value < 10 ? value.toFixed(1) + "/s" : count(value) + "/s";
}

export function percent(share) {
  if (share === null || share === undefined || Number.isNaN(share)) return "no messages";
  if (share > 0.9995 && share < 1) return "99.9 %";
  return (share * 100).toFixed(share >= 0.1 ? 1 : 2).replace(/\.0$/, "") + " %";
}

export function seconds(value) {
  if (value === null || value === undefined) return "none";
  if (value === 0) return "0 ms";
  if (value < 0.001) return (value * 1e6).toFixed(0) + " µs";
  if (value < 1) return (value * 1000).toFixed(value < 0.01 ? 1 : 0) + " ms";
  return value.toFixed(value < 10 ? 2 : 1) + " s";
}

export function clock(value) {
  const total = Math.max(0, value);
  const [hours, minutes] = [Math.floor(total / 3600), Math.floor(total / 60) % 60];
  const rest = (total % 60).toFixed(1).padStart(4, "0");
  return (hours ? hours + ":" + String(minutes).padStart(2, "0") : String(minutes)) + ":" + rest;
}

export function bytes(value) {
  if (value < 1024) return value + " B";
  return value < 1 << 20 ? (value / 1024).toFixed(1) + " KiB" : (value / (1 << 20)).toFixed(1) + " MiB";
}

export function plural(number, noun) {
  return count(number) + " " + noun + (number === 1 ? "" : "s");
}
