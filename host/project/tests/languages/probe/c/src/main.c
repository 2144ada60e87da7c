// See ../../README.md.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../sdk/wasmote.h"

static uint64_t messages;

static bool start(wm_cause cause) {
  (void)cause;
  uint64_t serial = UINT64_MAX;
  int64_t level = 3;
  if (!wm_config_unsigned("serial", &serial) || !wm_config_integer("level", &level, 0, 10)) return false;
  wm_subscribe(wm_topic("in/#"), 2);
  char text[64];
  snprintf(text, sizeof text, "%" PRIu64 " %" PRId64, serial, level);
  static const char *const user[] = {"a", "ä"};
  wm_properties properties = {.content_type = "text/plain",
                              .response_topic = "reply/here",
                              .correlation_data = "\x00\xff\x80",
                              .correlation_length = 3,
                              .message_expiry = 60,
                              .user = user,
                              .user_count = 1};
  return wm_publish_with(wm_topic("hello"), text, strlen(text), 1, true, &properties);
}

static void on_message(const wm_message *message) {
  messages++;
  const char *leaf = strrchr(message->topic, '/') + 1;
  wm_json n;
  char bytes[64];
  if (strcmp(leaf, "echo") == 0) {
    if (message->has_properties) {
      wm_publish_with(wm_topic("echo"), message->payload, message->length, message->qos, false, &message->properties);
    } else {
      wm_publish(wm_topic("echo"), message->payload, message->length, message->qos, false);
    }
  } else if (strcmp(leaf, "json") == 0 && wm_json_get(message->payload, message->length, "n", &n)) {
    wm_publish_text(wm_topic("json"), 0, false, "{\"n\":%.*s}", (int)n.length, n.text);
  } else if (strcmp(leaf, "log") == 0) {
    static const char *const names[] = {"trace", "debug", "info", "warn", "error"};
    for (int level = WM_TRACE; level <= WM_ERROR; level++) wm_log((wm_level)level, "at %s", names[level]);
  } else if (strcmp(leaf, "random") == 0) {
    wm_random_bytes(bytes, 16);
    wm_publish(wm_topic("random"), bytes, 16, 0, false);
  } else if (strcmp(leaf, "clock") == 0) {
    wm_publish_text(wm_topic("clock"), 0, false, "%s %" PRIu64, wm_number((double)wm_now() / 1e9), wm_wall_now() / WM_SECOND);
  } else if (strcmp(leaf, "timer") == 0) {
    wm_set_timer(UINT32_MAX, 250 * WM_MILLISECOND);
    wm_set_timer_at(7, 2500 * WM_MILLISECOND);
    wm_set_timer(8, 100 * WM_MILLISECOND);
    wm_cancel_timer(8);
  } else if (strcmp(leaf, "metrics") == 0) {
    wm_count("probes_total", 1);
    wm_count("probes_total", 1);
    wm_gauge("probe_level", 0.5);
    wm_observe("probe_seconds", 3);
  } else if (strcmp(leaf, "store") == 0) {
    ptrdiff_t length = wm_stored("value", bytes, sizeof bytes);
    wm_publish(wm_topic("stored"), length < 0 ? "nothing" : bytes, length < 0 ? 7 : (size_t)length, 0, false);
    wm_store("value", message->payload, message->length);
  } else if (strcmp(leaf, "invalid") == 0) {
    if (!wm_publish(wm_topic("a/#"), "x", 1, 0, false)) wm_publish(wm_topic("invalid"), "invalid-topic", 13, 0, false);
  } else {
    fputs("the probe has a fault\n", stderr);
    abort();
  }
}

static void on_timer(uint32_t token) { wm_publish_text(wm_topic("timer"), 0, false, "%" PRIu32, token); }

static void on_http_request(const wm_request *request, wm_response *response) {
  if (strcmp(request->method, "POST") == 0 && wm_path_is(request, "/echo")) {
    wm_respond(response, 201, NULL, request->body, request->length);
  } else {
    wm_respond_json(response, 404, "{\"error\":\"not found\"}");
  }
}

static void stop(wm_reason reason) {
  static const char *const names[] = {"requested", "shutdown", "swap"};
  wm_publish_text(wm_topic("bye"), 0, false, "%s", names[reason]);
}

static bool snapshot(void) {
  wm_save(&messages, sizeof messages);
  return true;
}

static bool restore(const uint8_t *saved, size_t length) {
  if (length != sizeof messages) return wm_refuse("the snapshot has no number of messages");
  memcpy(&messages, saved, length);
  wm_publish_text(wm_topic("restored"), 0, false, "%" PRIu64, messages);
  return true;
}

const wm_behaviour wasmote_behaviour = {
    .start = start,
    .on_message = on_message,
    .on_timer = on_timer,
    .on_http_request = on_http_request,
    .stop = stop,
    .snapshot = snapshot,
    .restore = restore,
};
