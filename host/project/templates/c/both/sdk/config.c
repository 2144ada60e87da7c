// Typed access to the configuration.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmote.h"

static device_string_t text_of(const char *text) { return (device_string_t){(uint8_t *)text, strlen(text)}; }

// Refuses a value of another type than expected; returns false.
static bool wrong(wasmote_device_config_config_error_t *error) {
  wm_refuse("configuration: %.*s: expected %.*s, found %.*s", (int)error->path.len, error->path.ptr,
            (int)error->expected.len, error->expected.ptr, (int)error->found.len, error->found.ptr);
  wasmote_device_config_config_error_free(error);
  return false;
}

bool wm_config_known(const char *const *fields, size_t count) {
  device_string_t all;
  wasmote_device_config_json(&all);
  // Keys of the outermost object: a text at depth one before a colon.
  bool known = true;
  int depth = 0;
  for (size_t at = 0; at < all.len && known; at++) {
    char c = (char)all.ptr[at];
    if (c == '{' || c == '[') depth++;
    if (c == '}' || c == ']') depth--;
    if (c != '"') continue;
    size_t start = at + 1;
    for (at = start; at < all.len && all.ptr[at] != '"'; at++) at += all.ptr[at] == '\\';
    size_t next = at + 1;
    while (next < all.len && strchr(" \t\r\n", all.ptr[next])) next++;
    if (depth != 1 || next >= all.len || all.ptr[next] != ':') continue;
    known = false;
    for (size_t index = 0; index < count; index++) {
      known |= strlen(fields[index]) == at - start && memcmp(fields[index], all.ptr + start, at - start) == 0;
    }
    if (!known) wm_refuse("configuration: %.*s: there is no such field", (int)(at - start), all.ptr + start);
  }
  device_string_free(&all);
  return known;
}

bool wm_config_text(const char *path, char *value, size_t size) {
  device_string_t at = text_of(path);
  device_option_string_t found;
  wasmote_device_config_config_error_t error;
  if (!wasmote_device_config_text(&at, &found, &error)) return wrong(&error);
  if (found.is_some) snprintf(value, size, "%.*s", (int)found.val.len, found.val.ptr);
  device_option_string_free(&found);
  return true;
}

bool wm_config_boolean(const char *path, bool *value) {
  device_string_t at = text_of(path);
  device_option_bool_t found;
  wasmote_device_config_config_error_t error;
  if (!wasmote_device_config_boolean(&at, &found, &error)) return wrong(&error);
  if (found.is_some) *value = found.val;
  return true;
}

bool wm_config_integer(const char *path, int64_t *value, int64_t least, int64_t most) {
  device_string_t at = text_of(path);
  device_option_s64_t found;
  wasmote_device_config_config_error_t error;
  if (!wasmote_device_config_integer(&at, &found, &error)) return wrong(&error);
  if (found.is_some) *value = found.val;
  if (*value >= least && *value <= most) return true;
  return wm_refuse("configuration: %s: expected %lld to %lld, found %lld", path, (long long)least, (long long)most,
                   (long long)*value);
}

bool wm_config_unsigned(const char *path, uint64_t *value) {
  device_string_t at = text_of(path);
  device_option_s64_t found;
  wasmote_device_config_config_error_t error;
  if (wasmote_device_config_integer(&at, &found, &error)) {
    if (!found.is_some) return true;
    if (found.val < 0) return wm_refuse("configuration: %s: expected 0 or more, found %lld", path, (long long)found.val);
    *value = (uint64_t)found.val;
    return true;
  }
  // The host reads integers up to 2^63 - 1, and shows what it found instead.
  uint64_t number = 0;
  bool digits = error.found.len > 0;
  for (size_t index = 0; index < error.found.len; index++) {
    unsigned digit = error.found.ptr[index] - (unsigned)'0';
    digits &= digit < 10 && number <= (UINT64_MAX - digit) / 10;
    number = number * 10 + digit;
  }
  if (!digits) return wrong(&error);
  wasmote_device_config_config_error_free(&error);
  *value = number;
  return true;
}

bool wm_config_number(const char *path, double *value, double least, double most) {
  device_string_t at = text_of(path);
  device_option_f64_t found;
  wasmote_device_config_config_error_t error;
  if (!wasmote_device_config_number(&at, &found, &error)) return wrong(&error);
  if (found.is_some) *value = found.val;
  if (*value >= least && *value <= most) return true;
  return wm_refuse("configuration: %s: expected %g to %g, found %g", path, least, most, *value);
}

bool wm_config_duration(const char *path, uint64_t *value, uint64_t least) {
  device_string_t at = text_of(path);
  wasmote_device_config_option_nanoseconds_t found;
  wasmote_device_config_config_error_t error;
  if (!wasmote_device_config_duration(&at, &found, &error)) return wrong(&error);
  if (found.is_some) *value = found.val;
  if (*value >= least) return true;
  return wm_refuse("configuration: %s: expected at least %g s, found %g s", path, (double)least / 1e9, (double)*value / 1e9);
}
