// Forms of the device view: publish as the device, send it a command, and ask its behaviour.

import { request, sendJson } from "./api.js";
import { el, fill, notice, panel } from "./dom.js";

// Commands of the behaviour `sensor`. Others may understand them too, or ones of their own.
const COMMANDS = [
  ["set_interval", '{"id":"page-1","cmd":"set_interval","report_s":2}'],
  ["calibrate", '{"id":"page-1","cmd":"calibrate","channel":"temperature","offset":-0.4}'],
  ["reset", '{"id":"page-1","cmd":"reset"}'],
  ["another", '{"cmd":""}'],
];

function devicePath(name, rest) {
  return "/devices/" + encodeURIComponent(name) + rest;
}

export function publishForm(view) {
  const topic = el("input", { type: "text", id: "publish-topic", placeholder: "its own topic", spellcheck: "false" });
  const message = el("textarea", { id: "publish-message", rows: "3" });
  const qos = el("select", { "aria-label": "QoS", id: "publish-qos" }, ["0", "1", "2"].map((value) => el("option", { value }, "QoS " + value)));
  const retain = el("input", { type: "checkbox", id: "publish-retain" });
  const send = async () => {
    const body = { message: message.value, qos: Number(qos.value), retain: retain.checked };
    if (topic.value) body.topic = topic.value;
    await view.app.act(async () => {
      const done = await sendJson("POST", devicePath(view.name, "/publish"), body);
      notice(done.device + " publishes " + done.bytes + " bytes on " + done.topic + ". Its faults may still drop them.", true);
    });
  };
  return panel("Publish as this device", el("div", { class: "field" }, el("label", { for: "publish-topic" }, "Topic"), topic, qos,
    el("label", {}, retain, " retain")), el("label", { for: "publish-message" }, "Message"), message,
  el("div", { class: "row" }, el("button", { class: "primary", id: "publish-send", onclick: send }, "Publish")));
}

// The topic on which a device takes commands: the subscription that ends in `cmd`, or its only one without wildcards.
function commandTopic(detail, topicRoot) {
  const exact = (detail?.subscriptions ?? []).map((it) => it.filter).filter((filter) => !/[+#]/.test(filter));
  const named = exact.find((filter) => filter.endsWith("/cmd"));
  return named ?? (exact.length === 1 ? exact[0] : (topicRoot ?? "") + "/" + (detail?.device ?? "") + "/cmd");
}

export function commandForm(view) {
  const body = el("textarea", { id: "command-body", rows: "2", spellcheck: "false" }, COMMANDS[0][1]);
  const kind = el("select", { id: "command-kind", onchange: () => (body.value = COMMANDS.find(([name]) => name === kind.value)[1]) }, COMMANDS.map(([name]) => el("option", { value: name }, name)));
  const hint = el("p", { class: "hint", id: "command-hint" });
  const send = async () => {
    await view.app.act(async () => {
      const topic = commandTopic(view.detail, view.app.store.about.topic_root);
      const done = await sendJson("POST", devicePath(view.name, "/publish"), { topic, message: body.value, qos: 1 });
      notice("The command is on its way on " + done.topic + ". The answer is among the messages below.", true);
    });
  };
  const element = panel("Send a command", hint, el("div", { class: "field" }, el("label", { for: "command-kind" }, "Command"), kind),
    el("label", { for: "command-body" }, "Payload"), body, el("div", { class: "row" }, el("button", { class: "primary", id: "command-send", onclick: send }, "Send")));
  const update = () => {
    const topic = commandTopic(view.detail, view.app.store.about.topic_root);
    const listens = (view.detail?.subscriptions ?? []).some((it) => it.filter === topic);
    const text = "On " + topic + ", through the broker" + (listens ? "." : ". This device has not subscribed to it, so it will not hear commands.");
    if (hint.textContent !== text) fill(hint, text);
  };
  return { element, update };
}

// What behaviours serve under /app is shown as text: it comes from the guest.
export function askForm(view) {
  const path = el("input", { type: "text", id: "ask-path", value: "", placeholder: "path", spellcheck: "false" });
  const body = el("input", { type: "text", id: "ask-body", "aria-label": "Body", placeholder: "body, for POST", spellcheck: "false" });
  const answer = el("pre", { id: "device-answer", role: "region", tabindex: "0", "aria-label": "Answer of the behaviour" });
  const ask = async () => {
    const target = devicePath(view.name, "/app/" + path.value.replace(/^\//, "").split("/").map(encodeURIComponent).join("/"));
    const options = body.value ? { body: body.value, type: "application/json", any: true } : { any: true };
    await view.app.act(async () => {
      const response = await request(body.value ? "POST" : "GET", target, options);
      const text = (await response.text()).slice(0, 20000);
      fill(answer, "Status " + response.status + "\n" + text);
    });
  };
  const element = panel("Ask its behaviour", el("p", { class: "hint" }, "An HTTP request to what it serves under /app/."),
    el("div", { class: "row" }, el("label", { for: "ask-path" }, "/app/"), path, body, el("button", { id: "ask-send", onclick: ask }, "Send")), answer);
  return { element, clear: () => fill(answer) };
}
