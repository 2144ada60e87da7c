package wasmote

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"time"

	"device/internal/wasmote_device_config"
	"device/internal/wit/types"
)

// Config reads the configuration of a device. A path is a key, or a JSON Pointer such as `/channels/0/name`. The first error is
// kept, so that a behaviour checks it once, at the end.
type Config struct{ err error }

// Config is the configuration.
func (device *Device) Config() *Config { return &Config{} }

// Err is the first error; it names the field, the expected value and what was found.
func (config *Config) Err() error { return config.err }

// All is the whole configuration as JSON.
func (config *Config) All() string { return wasmote_device_config.Json() }

// DenyUnknownFields refuses fields with other names than these.
func (config *Config) DenyUnknownFields(known ...string) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal([]byte(config.All()), &all); err != nil {
		config.fail("configuration: %v", err)
	}
	for name := range all {
		if !slices.Contains(known, name) {
			config.fail("configuration: %s: there is no such field; there are %s", name, strings.Join(known, ", "))
		}
	}
}

// Text is a text.
func (config *Config) Text(path, otherwise string) string {
	return read(config, wasmote_device_config.Text(path), otherwise)
}

// Boolean is a boolean.
func (config *Config) Boolean(path string, otherwise bool) bool {
	return read(config, wasmote_device_config.Boolean(path), otherwise)
}

// Number is a number in a range.
func (config *Config) Number(path string, otherwise, least, most float64) float64 {
	number := read(config, wasmote_device_config.Number(path), otherwise)
	if number < least || number > most {
		config.fail("configuration: %s: expected %g to %g, found %g", path, least, most, number)
	}
	return number
}

// Integer is an integer.
func (config *Config) Integer(path string, otherwise int64) int64 {
	return read(config, wasmote_device_config.Integer(path), otherwise)
}

// Unsigned is an integer from 0 to 2^64 - 1.
func (config *Config) Unsigned(path string, otherwise uint64) uint64 {
	result := wasmote_device_config.Integer(path)
	if result.IsErr() {
		// The host reads integers up to 2^63 - 1, and shows what it found instead.
		if number, ok := new(big.Int).SetString(result.Err().Found, 10); ok && number.IsUint64() {
			return number.Uint64()
		}
	}
	number := read(config, result, int64(-1))
	if number < 0 {
		return otherwise
	}
	return uint64(number)
}

// Duration is a duration of at least `least`; the configuration may have "500ms", "5s", "1m 30s" or a number of seconds.
func (config *Config) Duration(path string, otherwise, least time.Duration) time.Duration {
	duration := time.Duration(read(config, wasmote_device_config.Duration(path), uint64(otherwise)))
	if duration < least {
		config.fail("configuration: %s: expected at least %v, found %v", path, least, duration)
	}
	return duration
}

func read[T any](config *Config, result types.Result[types.Option[T], wasmote_device_config.ConfigError], otherwise T) T {
	if result.IsErr() {
		problem := result.Err()
		config.fail("configuration: %s: expected %s, found %s", problem.Path, problem.Expected, problem.Found)
		return otherwise
	}
	return result.Ok().SomeOr(otherwise)
}

func (config *Config) fail(format string, values ...any) {
	if config.err == nil {
		config.err = fmt.Errorf(format, values...)
	}
}
