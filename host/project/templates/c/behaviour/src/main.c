// A thermostat: it heats a simulated room to a target temperature, reports both, and takes commands.
//
// Each function handles one event of the device. `room.c` has no device, so `unit/room_test.c` tests it natively. `wasmote test`
// runs the whole behaviour in the scenarios of `tests/`.
#include <stdlib.h>
#include <string.h>

#include "../sdk/wasmote.h"
#include "room.h"

enum { REPORT_TIMER = 1 };

static uint64_t interval = WM_SECOND;
static uint64_t seq;
static room the_room;

static bool start(wm_cause cause) {
  (void)cause;
  static const char *const fields[] = {"interval", "target"};
  double target = 21;
  if (!wm_config_known(fields, 2) || !wm_config_duration("interval", &interval, 100 * WM_MILLISECOND) ||
      !wm_config_number("target", &target, ROOM_LEAST, ROOM_MOST)) {
    return false;
  }
  // The store survives a loss of power.
  char stored[32] = "";
  if (wm_stored("target", stored, sizeof stored - 1) >= 0) target = strtod(stored, NULL);
  the_room = room_new(target);

  wm_set_offline_will();
  wm_subscribe(wm_topic("cmd"), 1);
  wm_set_timer(REPORT_TIMER, interval);
  return true;
}

static void on_connection(bool up, const char *reason) {
  (void)reason;
  if (up) wm_publish_state(true);
}

static void on_timer(uint32_t token) {
  (void)token;
  wm_set_timer(REPORT_TIMER, interval);
  room_heat(&the_room);
  seq++;
  wm_publish_text(wm_topic("telemetry"), 0, false,
                  "{\"device\":\"%s\",\"type\":\"telemetry\",\"ts\":%s,\"seq\":%llu,\"values\":{\"room\":%s,\"target\":%s}}",
                  wm_id(), wm_timestamp(), (unsigned long long)seq, wm_number(the_room.temperature),
                  wm_number(the_room.target));
  wm_count("reports_total", 1);
}

static bool execute(const char *name, const wm_message *message) {
  wm_json found;
  double value;
  if (strcmp(name, "target") != 0) return wm_refuse("there is no command `%s`; this device knows `target`", name);
  if (!wm_json_get(message->payload, message->length, "value", &found) || !wm_json_number(&found, &value)) {
    return wm_refuse("value: expected a number");
  }
  if (!room_set_target(&the_room, value)) {
    return wm_refuse("value: expected %g to %g, found %g", ROOM_LEAST, ROOM_MOST, value);
  }
  const char *text = wm_number(value);
  return wm_store("target", text, strlen(text));
}

static void on_message(const wm_message *message) { wm_command(message, execute); }

static void on_http_request(const wm_request *request, wm_response *response) {
  if (strcmp(request->method, "GET") != 0 || !wm_path_is(request, "/")) {
    wm_respond_fallback(request, response, "/");
    return;
  }
  wm_respond_json(response, 200, "{\"device\":\"%s\",\"seq\":%llu,\"room\":%s,\"target\":%s}", wm_id(),
                  (unsigned long long)seq, wm_number(the_room.temperature), wm_number(the_room.target));
}

static void stop(wm_reason reason) {
  // During a swap the new version goes on with the same connection.
  if (reason != WM_SWAP) wm_publish_state(false);
}

// The state for the next version of the component: later versions add fields at its end.
typedef struct {
  uint64_t seq;
  double temperature;
  double target;
} state;

static bool snapshot(void) {
  state now = {seq, the_room.temperature, the_room.target};
  wm_save(&now, sizeof now);
  return true;
}

static bool restore(const uint8_t *saved, size_t length) {
  state before;
  if (length < sizeof before) return wm_refuse("the snapshot has %zu bytes, and %zu are needed", length, sizeof before);
  memcpy(&before, saved, sizeof before);
  seq = before.seq;
  the_room.temperature = before.temperature;
  the_room.target = before.target;
  return true;
}

const wm_behaviour wasmote_behaviour = {
    .start = start,
    .on_message = on_message,
    .on_timer = on_timer,
    .on_connection = on_connection,
    .on_http_request = on_http_request,
    .stop = stop,
    .snapshot = snapshot,
    .restore = restore,
};
