// SDK for behaviours in C: a layer over the generated bindings `device.h`, which has all functions of the host.
//
// A behaviour is a table of functions, one for each event of the device; those that are missing do nothing:
//
//     static bool start(wm_cause cause) { ... }
//     static void on_timer(uint32_t token) { ... }
//     const wm_behaviour wasmote_behaviour = { .start = start, .on_timer = on_timer };
//
// No call waits; its effect takes place after the function has returned. `return wm_refuse("...")` in `start`, `snapshot` and
// `restore` is an answer to the user. `wm_panic("...")`, `abort()` and a failed `assert` end the instance, and the log has the
// text. Texts of the host end with a NUL; bytes have a length.
#ifndef WASMOTE_H
#define WASMOTE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "device.h"

typedef enum { WM_POWER_ON, WM_RESTART, WM_SWAPPED } wm_cause;
typedef enum { WM_REQUESTED, WM_SHUTDOWN, WM_SWAP } wm_reason;
typedef enum { WM_TRACE, WM_DEBUG, WM_INFO, WM_WARN, WM_ERROR } wm_level;

#define WM_SECOND UINT64_C(1000000000)
#define WM_MILLISECOND UINT64_C(1000000)

// Properties of MQTT 5. NULL and 0 mean none.
typedef struct {
  const char *content_type;
  const char *response_topic;
  const void *correlation_data;
  size_t correlation_length;
  uint32_t message_expiry;
  // Names and values in turn, `user_count` pairs.
  const char *const *user;
  size_t user_count;
} wm_properties;

// A received message. It is valid until the function returns.
typedef struct {
  const char *topic;
  const uint8_t *payload;
  size_t length;
  uint8_t qos;
  bool retain;
  bool has_properties;
  wm_properties properties;
} wm_message;

typedef struct {
  const char *method;
  // Path and query.
  const char *url;
  const uint8_t *body;
  size_t length;
} wm_request;

// The response to a request: set with wm_respond.
typedef struct wm_response wm_response;

typedef struct {
  bool (*start)(wm_cause cause);
  void (*on_message)(const wm_message *message);
  void (*on_timer)(uint32_t token);
  // `reason` is NULL when the connection came up.
  void (*on_connection)(bool up, const char *reason);
  void (*on_http_request)(const wm_request *request, wm_response *response);
  // `status` is 0 and `body` the reason if there is no response.
  void (*on_http_reply)(uint64_t id, uint16_t status, const uint8_t *body, size_t length);
  void (*stop)(wm_reason reason);
  // Saves the state for the next version of the component with wm_save.
  bool (*snapshot)(void);
  bool (*restore)(const uint8_t *saved, size_t length);
} wm_behaviour;

// The behaviour of this component; its code defines it.
extern const wm_behaviour wasmote_behaviour;

// Remembers a reason for the user; returns false.
bool wm_refuse(const char *format, ...) __attribute__((format(printf, 1, 2)));
// The last reason of wm_refuse.
const char *wm_last_refusal(void);
// Logs an error and ends the instance.
_Noreturn void wm_panic(const char *format, ...) __attribute__((format(printf, 1, 2)));
void wm_save(const void *bytes, size_t length);
void wm_respond(wm_response *response, uint16_t status, const char *content_type, const void *body, size_t length);
void wm_respond_json(wm_response *response, uint16_t status, const char *format, ...) __attribute__((format(printf, 3, 4)));
// For requests that a device with this path does not handle: 405 for another method, 404 for another path.
void wm_respond_fallback(const wm_request *request, wm_response *response, const char *path);
bool wm_path_is(const wm_request *request, const char *path);

// Identity.
const char *wm_id(void);
const char *wm_group(void);
uint32_t wm_index(void);
uint32_t wm_group_size(void);
// Topic of this device, `<root>/<id>/<leaf>`. It is valid until the fourth call after this one.
const char *wm_topic(const char *leaf);

// Configuration. The path is a key, or a JSON Pointer such as "/channels/0/name". Without a value at the path the variable
// keeps its default; false after wm_refuse with the field, the expected type or range and what was found.
bool wm_config_known(const char *const *fields, size_t count);
bool wm_config_text(const char *path, char *value, size_t size);
bool wm_config_boolean(const char *path, bool *value);
bool wm_config_integer(const char *path, int64_t *value, int64_t least, int64_t most);
bool wm_config_unsigned(const char *path, uint64_t *value);
bool wm_config_number(const char *path, double *value, double least, double most);
// In nanoseconds.
bool wm_config_duration(const char *path, uint64_t *value, uint64_t least);

// Messages. False if the host rejects one; the log has a warning with the reason.
bool wm_publish(const char *topic, const void *payload, size_t length, uint8_t qos, bool retain);
bool wm_publish_with(const char *topic, const void *payload, size_t length, uint8_t qos, bool retain,
                     const wm_properties *properties);
bool wm_publish_text(const char *topic, uint8_t qos, bool retain, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
bool wm_subscribe(const char *filter, uint8_t qos);
void wm_unsubscribe(const char *filter);
bool wm_set_will(const char *topic, const void *payload, size_t length, uint8_t qos, bool retain);
// Retains `offline` on the topic `state` if the connection ends without a DISCONNECT.
bool wm_set_offline_will(void);
void wm_publish_state(bool online);

// Time, in nanoseconds.
uint64_t wm_now(void);
uint64_t wm_wall_now(void);
// Seconds since 1970 to the microsecond, as text for JSON. It is valid until the next call.
const char *wm_timestamp(void);
bool wm_set_timer(uint32_t token, uint64_t delay);
bool wm_set_timer_at(uint32_t token, uint64_t at);
void wm_cancel_timer(uint32_t token);

// Random numbers, which follow from the seed of the run. `rand` does not need to be seeded; do not use it.
uint64_t wm_random_bits(void);
double wm_random(void);
void wm_random_bytes(void *bytes, uint32_t count);

void wm_log(wm_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool wm_count(const char *metric, double amount);
bool wm_gauge(const char *metric, double value);
bool wm_observe(const char *metric, double value);

// The store, which survives crashes and restarts. wm_stored returns the length of the value, or -1 without the key.
ptrdiff_t wm_stored(const char *key, void *value, size_t size);
bool wm_store(const char *key, const void *value, size_t length);
void wm_forget(const char *key);

// JSON. A value of a top-level key as a span of the text; false if the text is no JSON object or has no such key.
typedef struct {
  const char *text;
  size_t length;
} wm_json;
bool wm_json_is_object(const void *text, size_t length);
bool wm_json_get(const void *text, size_t length, const char *key, wm_json *value);
// A number, and a text without its quotes and escapes; false if the value is none.
bool wm_json_number(const wm_json *value, double *number);
bool wm_json_text(const wm_json *value, char *text, size_t size);
// The shortest text of a number, with a `.` or not. It is valid until the fourth call after this one.
const char *wm_number(double number);

// Handles a message as a command `{"id": ..., "cmd": "name", ...}` and acknowledges it, on the response topic of the message or
// on `<root>/<device>/ack`. `execute` returns false after wm_refuse for a command that is not carried out.
void wm_command(const wm_message *message, bool (*execute)(const char *name, const wm_message *message));

#endif
