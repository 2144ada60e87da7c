// JSON: values of top-level keys, and commands over MQTT.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wasmote.h"

typedef struct {
  const char *at;
  const char *end;
  int depth;
} reader;

static void skip_space(reader *r) {
  while (r->at < r->end && (*r->at == ' ' || *r->at == '\t' || *r->at == '\n' || *r->at == '\r')) r->at++;
}

static bool skip_char(reader *r, char c) {
  skip_space(r);
  if (r->at >= r->end || *r->at != c) return false;
  r->at++;
  return true;
}

static bool skip_text(reader *r) {
  if (!skip_char(r, '"')) return false;
  for (; r->at < r->end && *r->at != '"'; r->at++) {
    if ((unsigned char)*r->at < 0x20) return false;
    if (*r->at == '\\' && ++r->at == r->end) return false;
  }
  return r->at++ < r->end;
}

static bool skip_word(reader *r, const char *word) {
  size_t length = strlen(word);
  if ((size_t)(r->end - r->at) < length || memcmp(r->at, word, length) != 0) return false;
  r->at += length;
  return true;
}

static size_t skip_digits(reader *r) {
  const char *start = r->at;
  while (r->at < r->end && *r->at >= '0' && *r->at <= '9') r->at++;
  return (size_t)(r->at - start);
}

static bool skip_number(reader *r) {
  skip_word(r, "-");
  if (!skip_word(r, "0") && !skip_digits(r)) return false;
  if (skip_word(r, ".") && !skip_digits(r)) return false;
  if (!skip_word(r, "e") && !skip_word(r, "E")) return true;
  if (!skip_word(r, "+")) skip_word(r, "-");
  return skip_digits(r) > 0;
}

static bool skip_value(reader *r);

// Skips an object or a list. For `key`, stores the value of that key.
static bool skip_members(reader *r, char close, const char *key, wm_json *found) {
  if (++r->depth > 32) return false;
  if (skip_char(r, close)) return r->depth-- > 0;
  do {
    bool matches = false;
    if (close == '}') {
      skip_space(r);
      const char *start = r->at + 1;
      if (!skip_text(r)) return false;
      size_t length = (size_t)(r->at - 1 - start);
      matches = key && length == strlen(key) && memcmp(start, key, length) == 0;
      if (!skip_char(r, ':')) return false;
    }
    skip_space(r);
    const char *start = r->at;
    if (!skip_value(r)) return false;
    if (matches) *found = (wm_json){start, (size_t)(r->at - start)};
  } while (skip_char(r, ','));
  r->depth--;
  return skip_char(r, close);
}

static bool skip_value(reader *r) {
  skip_space(r);
  if (r->at >= r->end) return false;
  switch (*r->at) {
    case '{': return skip_char(r, '{') && skip_members(r, '}', NULL, NULL);
    case '[': return skip_char(r, '[') && skip_members(r, ']', NULL, NULL);
    case '"': return skip_text(r);
    case 't': return skip_word(r, "true");
    case 'f': return skip_word(r, "false");
    case 'n': return skip_word(r, "null");
    default: return skip_number(r);
  }
}

static bool scan(const void *text, size_t length, const char *key, wm_json *found) {
  reader r = {text, (const char *)text + length, 0};
  if (!skip_char(&r, '{') || !skip_members(&r, '}', key, found)) return false;
  skip_space(&r);
  return r.at == r.end;
}

bool wm_json_is_object(const void *text, size_t length) { return scan(text, length, NULL, NULL); }

bool wm_json_get(const void *text, size_t length, const char *key, wm_json *value) {
  *value = (wm_json){NULL, 0};
  return scan(text, length, key, value) && value->text;
}

bool wm_json_number(const wm_json *value, double *number) {
  char text[64];
  if (!value->text || value->length >= sizeof text || !strchr("-0123456789", value->text[0])) return false;
  memcpy(text, value->text, value->length);
  text[value->length] = 0;
  *number = strtod(text, NULL);
  return true;
}

bool wm_json_text(const wm_json *value, char *text, size_t size) {
  if (!value->text || value->text[0] != '"' || size == 0) return false;
  size_t written = 0;
  for (size_t at = 1; at + 1 < value->length && written + 1 < size; at++) {
    char c = value->text[at];
    if (c == '\\') {
      c = value->text[++at];
      const char *escapes = "b\bf\fn\nr\rt\t", *found = strchr(escapes, c);
      if (found && (found - escapes) % 2 == 0) c = found[1];
      // Other characters than those of ASCII become a question mark.
      if (c == 'u') {
        unsigned code = '?';
        if (at + 4 < value->length) sscanf(value->text + at + 1, "%4x", &code);
        at += 4;
        c = code < 0x80 ? (char)code : '?';
      }
    }
    text[written++] = c;
  }
  text[written] = 0;
  return true;
}

const char *wm_number(double number) {
  static char texts[4][32];
  static unsigned next;
  char *text = texts[next++ % 4];
  for (int digits = 6; digits <= 17; digits++) {
    snprintf(text, sizeof texts[0], "%.*g", digits, number);
    if (strtod(text, NULL) == number) break;
  }
  return text;
}

// Writes a text into JSON, with escapes.
static void escape(const char *text, char *json, size_t size) {
  size_t written = 0;
  for (; *text && written + 7 < size; text++) {
    unsigned char c = (unsigned char)*text;
    if (c == '"' || c == '\\') json[written++] = '\\';
    if (c < 0x20) {
      written += (size_t)snprintf(json + written, size - written, "\\u%04x", c);
    } else {
      json[written++] = (char)c;
    }
  }
  json[written] = 0;
}

static char refused_command[512];

void wm_command(const wm_message *message, bool (*execute)(const char *name, const wm_message *message)) {
  char name[64] = "null", quoted[160] = "null";
  wm_json id = {"null", 4}, cmd, found;
  bool ok = false;
  if (!wm_json_is_object(message->payload, message->length)) {
    wm_refuse("the command is no JSON object");
  } else if (!wm_json_get(message->payload, message->length, "cmd", &cmd) || !wm_json_text(&cmd, name, sizeof name)) {
    wm_refuse("cmd: expected the name of a command");
  } else {
    if (wm_json_get(message->payload, message->length, "id", &found)) id = found;
    snprintf(quoted, sizeof quoted, "%.*s", (int)cmd.length, cmd.text);
    ok = execute(name, message);
  }
  char error[1100] = "";
  if (ok) {
    wm_log(WM_INFO, "command %s done", name);
  } else {
    wm_log(WM_WARN, "command %s refused: %s", name, wm_last_refusal());
    escape(wm_last_refusal(), refused_command, sizeof refused_command);
    snprintf(error, sizeof error, ",\"error\":\"%s\"", refused_command);
  }
  char *report;
  int length = asprintf(&report, "{\"device\":\"%s\",\"type\":\"ack\",\"ts\":%s,\"id\":%.*s,\"cmd\":%s,\"ok\":%s%s}", wm_id(),
                        wm_timestamp(), (int)id.length, id.text, quoted, ok ? "true" : "false", error);
  if (length < 0) wm_panic("out of memory");
  const wm_properties *given = &message->properties;
  const char *topic = given->response_topic ? given->response_topic : wm_topic("ack");
  if (given->correlation_data) {
    wm_properties properties = {.correlation_data = given->correlation_data, .correlation_length = given->correlation_length};
    wm_publish_with(topic, report, (size_t)length, 1, false, &properties);
  } else {
    wm_publish(topic, report, (size_t)length, 1, false);
  }
  free(report);
}
