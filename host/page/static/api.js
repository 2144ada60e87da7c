// Requests to the host that serves the page. The token stays in this tab.

const TOKEN_KEY = "wasmote-token";

export class ApiProblem extends Error {
  constructor(status, message, field) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

export function setToken(token) {
  if (token) sessionStorage.setItem(TOKEN_KEY, token);
  else sessionStorage.removeItem(TOKEN_KEY);
}

function tokenHeader() {
  const token = sessionStorage.getItem(TOKEN_KEY);
  return token ? { Authorization: "Bearer " + token } : {};
}

export async function problemOf(response) {
  let message = "the host answered with status " + response.status;
  let field = "";
  try {
    const { error } = await response.json();
    message = error.message ?? message;
    field = error.field ?? "";
  } catch {
    // The status is all that is known.
  }
  return new ApiProblem(response.status, message, field);
}

export async function request(method, path, options = {}) {
  const headers = { ...tokenHeader(), ...(options.type ? { "Content-Type": options.type } : {}) };
  const response = await fetch(path, { method, headers, body: options.body, signal: options.signal });
  if (!response.ok && !options.any) throw await problemOf(response);
  if (options.any) return response;
  return response.json();
}

export function getJson(path, signal) {
  return request("GET", path, { signal });
}

export function sendJson(method, path, value) {
  return request(method, path, { type: "application/json", body: JSON.stringify(value) });
}

// Reads server-sent events until the signal aborts or the stream ends. `EventSource` cannot send the token.
export async function followEvents(path, onEvent, signal) {
  const response = await fetch(path, { headers: { ...tokenHeader(), Accept: "text/event-stream" }, signal });
  if (!response.ok) throw await problemOf(response);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  let parts = [];
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    parts.push(value);
    if (!value.includes("\n\n") && !value.startsWith("\n")) continue;
    rest += parts.join("");
    parts = [];
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) emitBlock(block, onEvent);
  }
}

function emitBlock(block, onEvent) {
  let kind = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) kind = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
  }
  if (data.length) onEvent(kind, data.join("\n"));
}
