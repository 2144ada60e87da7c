// The exports of a behaviour, and the functions of the host with texts and defaults of C.
#include "wasmote.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// The generated bindings refer to an object file with the type of the component, which `wasmote build` adds itself.
void __component_type_object_force_link_device(void) {}

static wasmote_device_config_identity_t me;
static char refusal[512];
static device_list_u8_t saved;

static device_string_t text_of(const char *text) { return (device_string_t){(uint8_t *)text, strlen(text)}; }
static device_list_u8_t bytes_of(const void *bytes, size_t length) { return (device_list_u8_t){(uint8_t *)bytes, length}; }

static void *allocate(size_t size) {
  void *memory = malloc(size ? size : 1);
  if (!memory) wm_panic("out of memory: %zu bytes", size);
  return memory;
}

// A copy of a text of the host with a NUL at its end.
static char *copy_of(device_string_t text) {
  char *copy = allocate(text.len + 1);
  memcpy(copy, text.ptr, text.len);
  copy[text.len] = 0;
  return copy;
}

bool wm_refuse(const char *format, ...) {
  va_list values;
  va_start(values, format);
  vsnprintf(refusal, sizeof refusal, format, values);
  va_end(values);
  return false;
}

const char *wm_last_refusal(void) { return refusal; }

void wm_panic(const char *format, ...) {
  char text[512];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  device_string_t line = text_of(text);
  wasmote_device_log_write(WASMOTE_DEVICE_LOG_LEVEL_ERROR, &line);
  __builtin_trap();
}

static bool outcome(bool ok, device_string_t *error) {
  if (!ok) device_string_dup(error, refusal[0] ? refusal : "no reason was given");
  return ok;
}

bool exports_wasmote_device_behaviour_start(exports_wasmote_device_behaviour_start_cause_t cause, device_string_t *error) {
  wasmote_device_config_whoami(&me);
  refusal[0] = 0;
  return outcome(!wasmote_behaviour.start || wasmote_behaviour.start((wm_cause)cause), error);
}

void exports_wasmote_device_behaviour_on_message(exports_wasmote_device_behaviour_message_t *received) {
  char *texts[3] = {copy_of(received->topic), NULL, NULL};
  const char **user = NULL;
  wm_message message = {.topic = texts[0],
                        .payload = received->payload.ptr,
                        .length = received->payload.len,
                        .qos = received->qos,
                        .retain = received->retain,
                        .has_properties = received->properties.is_some};
  if (message.has_properties) {
    wasmote_device_types_message_properties_t *given = &received->properties.val;
    wm_properties *properties = &message.properties;
    if (given->content_type.is_some) properties->content_type = texts[1] = copy_of(given->content_type.val);
    if (given->response_topic.is_some) properties->response_topic = texts[2] = copy_of(given->response_topic.val);
    if (given->correlation_data.is_some) {
      properties->correlation_data = given->correlation_data.val.ptr;
      properties->correlation_length = given->correlation_data.val.len;
    }
    if (given->message_expiry.is_some) properties->message_expiry = given->message_expiry.val;
    properties->user_count = given->user_properties.len;
    user = allocate(2 * properties->user_count * sizeof *user);
    for (size_t index = 0; index < properties->user_count; index++) {
      user[2 * index] = copy_of(given->user_properties.ptr[index].name);
      user[2 * index + 1] = copy_of(given->user_properties.ptr[index].value);
    }
    properties->user = user;
  }
  if (wasmote_behaviour.on_message) wasmote_behaviour.on_message(&message);
  for (size_t index = 0; index < 2 * message.properties.user_count; index++) free((void *)user[index]);
  free(user);
  for (size_t index = 0; index < 3; index++) free(texts[index]);
  exports_wasmote_device_behaviour_message_free(received);
}

void exports_wasmote_device_behaviour_on_timer(uint32_t token) {
  if (wasmote_behaviour.on_timer) wasmote_behaviour.on_timer(token);
}

void exports_wasmote_device_behaviour_on_connection(exports_wasmote_device_behaviour_connection_change_t *change) {
  bool up = change->tag == EXPORTS_WASMOTE_DEVICE_BEHAVIOUR_CONNECTION_CHANGE_UP;
  char *reason = up ? NULL : copy_of(change->val.down);
  if (wasmote_behaviour.on_connection) wasmote_behaviour.on_connection(up, reason);
  free(reason);
  exports_wasmote_device_behaviour_connection_change_free(change);
}

struct wm_response {
  exports_wasmote_device_behaviour_http_response_t *answer;
};

void wm_respond(wm_response *response, uint16_t status, const char *content_type, const void *body, size_t length) {
  exports_wasmote_device_behaviour_http_response_t *answer = response->answer;
  exports_wasmote_device_behaviour_http_response_free(answer);
  answer->status = status;
  answer->headers.len = content_type ? 1 : 0;
  answer->headers.ptr = content_type ? allocate(sizeof *answer->headers.ptr) : NULL;
  if (content_type) {
    device_string_dup(&answer->headers.ptr->name, "content-type");
    device_string_dup(&answer->headers.ptr->value, content_type);
  }
  answer->body = bytes_of(length ? memcpy(allocate(length), body, length) : NULL, length);
}

void wm_respond_json(wm_response *response, uint16_t status, const char *format, ...) {
  va_list values;
  va_start(values, format);
  char *text;
  int length = vasprintf(&text, format, values);
  va_end(values);
  if (length < 0) wm_panic("out of memory");
  wm_respond(response, status, "application/json", text, (size_t)length);
  free(text);
}

bool wm_path_is(const wm_request *request, const char *path) {
  size_t length = strcspn(request->url, "?");
  return length == strlen(path) && memcmp(request->url, path, length) == 0;
}

void wm_respond_fallback(const wm_request *request, wm_response *response, const char *path) {
  if (wm_path_is(request, path)) {
    wm_respond_json(response, 405, "{\"error\":\"only GET is answered here\"}");
  } else {
    wm_respond_json(response, 404, "{\"error\":\"not found; this device answers %s\"}", path);
  }
}

void exports_wasmote_device_behaviour_on_http_request(exports_wasmote_device_behaviour_http_request_t *received,
                                                      exports_wasmote_device_behaviour_http_response_t *answer) {
  memset(answer, 0, sizeof *answer);
  wm_response response = {answer};
  char *method = copy_of(received->method), *url = copy_of(received->url);
  wm_request request = {method, url, received->body.ptr, received->body.len};
  if (wasmote_behaviour.on_http_request) wasmote_behaviour.on_http_request(&request, &response);
  if (answer->status == 0) wm_respond_json(&response, 404, "{\"error\":\"this device answers no requests\"}");
  free(method);
  free(url);
  exports_wasmote_device_behaviour_http_request_free(received);
}

void exports_wasmote_device_behaviour_on_http_reply(
    uint64_t id, exports_wasmote_device_behaviour_result_http_response_http_failure_t *reply) {
  void (*handle)(uint64_t, uint16_t, const uint8_t *, size_t) = wasmote_behaviour.on_http_reply;
  if (handle && !reply->is_err) {
    handle(id, reply->val.ok.status, reply->val.ok.body.ptr, reply->val.ok.body.len);
  } else if (handle) {
    wasmote_device_types_http_failure_t *failure = &reply->val.err;
    device_string_t reason = text_of("there was no response in time");
    if (failure->tag == WASMOTE_DEVICE_TYPES_HTTP_FAILURE_UNREACHABLE) reason = failure->val.unreachable;
    if (failure->tag == WASMOTE_DEVICE_TYPES_HTTP_FAILURE_TOO_LARGE) reason = text_of("the response is too large");
    handle(id, 0, reason.ptr, reason.len);
  }
  exports_wasmote_device_behaviour_result_http_response_http_failure_free(reply);
}

void exports_wasmote_device_behaviour_stop(exports_wasmote_device_behaviour_stop_reason_t reason) {
  if (wasmote_behaviour.stop) wasmote_behaviour.stop((wm_reason)reason);
}

void wm_save(const void *bytes, size_t length) {
  free(saved.ptr);
  saved = bytes_of(length ? memcpy(allocate(length), bytes, length) : NULL, length);
}

bool exports_wasmote_device_behaviour_snapshot(device_list_u8_t *bytes, device_string_t *error) {
  refusal[0] = 0;
  bool ok = outcome(!wasmote_behaviour.snapshot || wasmote_behaviour.snapshot(), error);
  *bytes = saved;
  saved = bytes_of(NULL, 0);
  return ok;
}

bool exports_wasmote_device_behaviour_restore(device_list_u8_t *bytes, device_string_t *error) {
  refusal[0] = 0;
  bool ok = outcome(!wasmote_behaviour.restore || wasmote_behaviour.restore(bytes->ptr, bytes->len), error);
  device_list_u8_free(bytes);
  return ok;
}

static const char *identity_text(device_string_t text) {
  static char *copies[2];
  static unsigned next;
  char **copy = &copies[next++ % 2];
  free(*copy);
  return *copy = copy_of(text);
}

const char *wm_id(void) {
  static char *id;
  return id ? id : (id = copy_of(me.id));
}
const char *wm_group(void) { return identity_text(me.group); }
uint32_t wm_index(void) { return me.index; }
uint32_t wm_group_size(void) { return me.count; }

const char *wm_topic(const char *leaf) {
  static char *topics[4];
  static unsigned next;
  char **topic = &topics[next++ % 4];
  free(*topic);
  if (asprintf(topic, "%.*s/%.*s/%s", (int)me.topic_root.len, me.topic_root.ptr, (int)me.id.len, me.id.ptr, leaf) < 0) {
    wm_panic("out of memory");
  }
  return *topic;
}

// Logs that the host has rejected something; returns false.
static bool rejected(const char *what, const char *reason) {
  wm_log(WM_WARN, "%s: rejected by the host: %s", what, reason);
  return false;
}

static bool published(bool ok, const char *topic, wasmote_device_mqtt_publish_error_t *error) {
  static const char *const reasons[] = {"invalid-topic", "payload-too-large", "rate-limited", "needs-mqtt5"};
  if (ok) return true;
  const char *reason = reasons[error->tag & 3];
  wasmote_device_mqtt_publish_error_free(error);
  return rejected(topic, reason);
}

bool wm_publish(const char *topic, const void *payload, size_t length, uint8_t qos, bool retain) {
  device_string_t to = text_of(topic);
  device_list_u8_t bytes = bytes_of(payload, length);
  wasmote_device_mqtt_publish_error_t error;
  return published(wasmote_device_mqtt_publish(&to, &bytes, qos, retain, &error), topic, &error);
}

bool wm_publish_with(const char *topic, const void *payload, size_t length, uint8_t qos, bool retain,
                     const wm_properties *given) {
  device_string_t to = text_of(topic);
  device_list_u8_t bytes = bytes_of(payload, length);
  wasmote_device_types_message_properties_t properties = {0};
  if (given->content_type) {
    properties.content_type = (device_option_string_t){true, text_of(given->content_type)};
  }
  if (given->response_topic) {
    properties.response_topic = (device_option_string_t){true, text_of(given->response_topic)};
  }
  if (given->correlation_data) {
    device_list_u8_t data = bytes_of(given->correlation_data, given->correlation_length);
    properties.correlation_data = (device_option_list_u8_t){true, data};
  }
  if (given->message_expiry) properties.message_expiry = (device_option_u32_t){true, given->message_expiry};
  wasmote_device_types_user_property_t *user = allocate(given->user_count * sizeof *user);
  for (size_t index = 0; index < given->user_count; index++) {
    user[index].name = text_of(given->user[2 * index]);
    user[index].value = text_of(given->user[2 * index + 1]);
  }
  properties.user_properties = (wasmote_device_types_list_user_property_t){user, given->user_count};
  wasmote_device_mqtt_publish_error_t error;
  bool ok = wasmote_device_mqtt_publish_with(&to, &bytes, qos, retain, &properties, &error);
  free(user);
  return published(ok, topic, &error);
}

bool wm_publish_text(const char *topic, uint8_t qos, bool retain, const char *format, ...) {
  va_list values;
  va_start(values, format);
  char *text;
  int length = vasprintf(&text, format, values);
  va_end(values);
  if (length < 0) wm_panic("out of memory");
  bool ok = wm_publish(topic, text, (size_t)length, qos, retain);
  free(text);
  return ok;
}

bool wm_subscribe(const char *filter, uint8_t qos) {
  device_string_t to = text_of(filter);
  wasmote_device_mqtt_subscribe_error_t error;
  if (wasmote_device_mqtt_subscribe(&to, qos, &error)) return true;
  bool invalid = error.tag == WASMOTE_DEVICE_MQTT_SUBSCRIBE_ERROR_INVALID_FILTER;
  wasmote_device_mqtt_subscribe_error_free(&error);
  return rejected(filter, invalid ? "invalid-filter" : "too-many");
}

void wm_unsubscribe(const char *filter) {
  device_string_t to = text_of(filter);
  wasmote_device_mqtt_unsubscribe(&to);
}

bool wm_set_will(const char *topic, const void *payload, size_t length, uint8_t qos, bool retain) {
  wasmote_device_mqtt_will_t will = {text_of(topic), bytes_of(payload, length), qos, retain, 0};
  wasmote_device_mqtt_publish_error_t error;
  return published(wasmote_device_mqtt_set_will(&will, &error), topic, &error);
}

bool wm_set_offline_will(void) { return wm_set_will(wm_topic("state"), "offline", 7, 1, true); }

void wm_publish_state(bool online) {
  const char *state = online ? "online" : "offline";
  wm_publish(wm_topic("state"), state, strlen(state), 1, true);
}

uint64_t wm_now(void) { return wasmote_device_clock_monotonic_now(); }
uint64_t wm_wall_now(void) { return wasmote_device_clock_wall_now(); }

const char *wm_timestamp(void) {
  static char text[32];
  uint64_t micros = wm_wall_now() / 1000;
  snprintf(text, sizeof text, "%llu.%06llu", (unsigned long long)(micros / 1000000), (unsigned long long)(micros % 1000000));
  return text;
}

static bool timer_set(bool ok, uint32_t token) {
  if (!ok) wm_log(WM_ERROR, "timer %u not set: too many timers", (unsigned)token);
  return ok;
}

bool wm_set_timer(uint32_t token, uint64_t delay) {
  wasmote_device_timers_timer_error_t error;
  return timer_set(wasmote_device_timers_set(token, delay, &error), token);
}

bool wm_set_timer_at(uint32_t token, uint64_t at) {
  wasmote_device_timers_timer_error_t error;
  return timer_set(wasmote_device_timers_set_at(token, at, &error), token);
}

void wm_cancel_timer(uint32_t token) { wasmote_device_timers_cancel(token); }

uint64_t wm_random_bits(void) { return wasmote_device_random_next_u64(); }
double wm_random(void) { return wasmote_device_random_uniform(); }

void wm_random_bytes(void *bytes, uint32_t count) {
  device_list_u8_t drawn;
  wasmote_device_random_bytes(count, &drawn);
  memcpy(bytes, drawn.ptr, drawn.len < count ? drawn.len : count);
  device_list_u8_free(&drawn);
}

void wm_log(wm_level level, const char *format, ...) {
  char text[1024];
  va_list values;
  va_start(values, format);
  vsnprintf(text, sizeof text, format, values);
  va_end(values);
  device_string_t line = text_of(text);
  wasmote_device_log_write((wasmote_device_log_level_t)level, &line);
}

typedef bool metric_function(device_string_t *, double, wasmote_device_metrics_metric_error_t *);

static bool record(metric_function *function, const char *metric, double value) {
  device_string_t name = text_of(metric);
  wasmote_device_metrics_metric_error_t error;
  if (function(&name, value, &error)) return true;
  wasmote_device_metrics_metric_error_free(&error);
  return rejected(metric, "an invalid name or value, or too many metrics");
}

bool wm_count(const char *metric, double amount) { return record(wasmote_device_metrics_counter_add, metric, amount); }
bool wm_gauge(const char *metric, double value) { return record(wasmote_device_metrics_gauge_set, metric, value); }
bool wm_observe(const char *metric, double value) { return record(wasmote_device_metrics_histogram_observe, metric, value); }

ptrdiff_t wm_stored(const char *key, void *value, size_t size) {
  device_string_t name = text_of(key);
  device_list_u8_t found;
  if (!wasmote_device_state_get(&name, &found)) return -1;
  ptrdiff_t length = (ptrdiff_t)found.len;
  memcpy(value, found.ptr, found.len < size ? found.len : size);
  device_list_u8_free(&found);
  return length;
}

bool wm_store(const char *key, const void *value, size_t length) {
  device_string_t name = text_of(key);
  device_list_u8_t bytes = bytes_of(value, length);
  wasmote_device_state_state_error_t error;
  return wasmote_device_state_set(&name, &bytes, &error) || rejected(key, "the store is full");
}

void wm_forget(const char *key) {
  device_string_t name = text_of(key);
  wasmote_device_state_delete(&name);
}
