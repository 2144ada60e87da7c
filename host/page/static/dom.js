// Elements. Text from devices, topics and payloads only ever becomes text nodes and attributes, never markup.

export function el(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "value" || name === "checked" || name === "disabled") element[name] = value;
    else element.setAttribute(name, value === true ? "" : value);
  }
  put(element, ...children);
  return element;
}

export function put(element, ...children) {
  for (const child of children.flat(9)) {
    if (child === undefined || child === null || child === false) continue;
    element.append(child instanceof Node ? child : visible(String(child)));
  }
  return element;
}

export function fill(element, ...children) {
  element.replaceChildren();
  return put(element, ...children);
}

// Text with control characters and marks that change the direction of text as visible escapes.
export function visible(text) {
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g,
    (char) => "\\u" + char.charCodeAt(0).toString(16).padStart(4, "0"));
}

export function panel(title, ...children) {
  return el("section", { class: "panel" }, title ? el("h2", {}, title) : null, ...children);
}

export function table(heads, rows, options = {}) {
  const cell = (tag) => (content, index) =>
    el(tag, { class: options.numbers?.includes(index) ? "number" : null, scope: tag === "th" ? "col" : null }, content);
  return el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": options.label ?? "Table" },
    el("table", {}, el("thead", {}, el("tr", {}, heads.map(cell("th")))),
      el("tbody", {}, rows.map((row) => el("tr", {}, row.map(cell("td")))))));
}

export function notice(text, isGood) {
  const place = document.getElementById("notices");
  const line = el("div", { class: isGood ? "notice good" : "notice" }, el("span", {}, text),
    el("button", { onclick: () => line.remove() }, "Close"));
  place.append(line);
  while (place.children.length > 4) place.firstChild.remove();
  if (isGood) setTimeout(() => line.remove(), 6000);
}
