package wasmote

import (
	"encoding/json"
	"fmt"
	"time"

	"device/internal/wasmote_device_clock"
	"device/internal/wasmote_device_config"
	"device/internal/wasmote_device_http"
	"device/internal/wasmote_device_log"
	"device/internal/wasmote_device_metrics"
	"device/internal/wasmote_device_mqtt"
	"device/internal/wasmote_device_random"
	"device/internal/wasmote_device_state"
	"device/internal/wasmote_device_timers"
	"device/internal/wasmote_device_types"
	"device/internal/wit/types"
)

// Device is a device: its identity and all functions of the host. No call waits; its effect takes place after the method has
// returned.
type Device struct {
	ID        string
	Group     string
	Index     uint32
	GroupSize uint32
	TopicRoot string
}

func newDevice() *Device {
	me := wasmote_device_config.Whoami()
	return &Device{ID: me.Id, Group: me.Group, Index: me.Index, GroupSize: me.Count, TopicRoot: me.TopicRoot}
}

// Topic is a topic of this device: `<root>/<id>/<leaf>`.
func (device *Device) Topic(leaf string) string {
	return device.TopicRoot + "/" + device.ID + "/" + leaf
}

// Peer is the id of another device of the group, or an empty text.
func (device *Device) Peer(index uint32) string {
	return wasmote_device_config.Peer(index).SomeOr("")
}

// Properties of a message of MQTT 5. The zero value has none.
type Properties struct {
	ContentType     string
	ResponseTopic   string
	CorrelationData []byte
	MessageExpiry   uint32
	User            []wasmote_device_types.UserProperty
}

// UserProperty is a user property of MQTT 5.
type UserProperty = wasmote_device_types.UserProperty

// Outgoing is a message to publish.
type Outgoing struct {
	Topic   string
	Payload []byte
	// QoS is 0, 1 or 2.
	QoS        uint8
	Retain     bool
	Properties *Properties
}

// Publish publishes a message. No error means accepted by the device, not delivered.
func (device *Device) Publish(message Outgoing) error {
	if message.Properties == nil {
		return publishError(wasmote_device_mqtt.Publish(message.Topic, message.Payload, message.QoS, message.Retain))
	}
	given := message.Properties
	properties := wasmote_device_types.MessageProperties{UserProperties: given.User}
	if given.ContentType != "" {
		properties.ContentType = types.Some(given.ContentType)
	}
	if given.ResponseTopic != "" {
		properties.ResponseTopic = types.Some(given.ResponseTopic)
	}
	if given.CorrelationData != nil {
		properties.CorrelationData = types.Some(given.CorrelationData)
	}
	if given.MessageExpiry != 0 {
		properties.MessageExpiry = types.Some(given.MessageExpiry)
	}
	result := wasmote_device_mqtt.PublishWith(message.Topic, message.Payload, message.QoS, message.Retain, properties)
	return publishError(result)
}

// Send publishes a message, and logs a warning if the host rejects it.
func (device *Device) Send(message Outgoing) {
	if err := device.Publish(message); err != nil {
		device.Warn("%s not published: %v", message.Topic, err)
	}
}

// SendJSON publishes a value as JSON at QoS 0.
func (device *Device) SendJSON(topic string, value any) {
	payload, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	device.Send(Outgoing{Topic: topic, Payload: payload})
}

func publishError(result types.Result[types.Unit, wasmote_device_mqtt.PublishError]) error {
	if !result.IsErr() {
		return nil
	}
	switch reason := result.Err(); reason.Tag() {
	case wasmote_device_mqtt.PublishError_InvalidTopic:
		return fmt.Errorf("invalid-topic: %s", reason.InvalidTopic())
	case wasmote_device_mqtt.PublishError_PayloadTooLarge:
		return fmt.Errorf("payload-too-large: the limit is %d bytes", reason.PayloadTooLarge())
	case wasmote_device_mqtt.PublishError_RateLimited:
		return fmt.Errorf("rate-limited")
	default:
		return fmt.Errorf("needs-mqtt5")
	}
}

// Subscribe subscribes to a topic filter.
func (device *Device) Subscribe(filter string, qos uint8) error {
	result := wasmote_device_mqtt.Subscribe(filter, qos)
	if !result.IsErr() {
		return nil
	}
	if reason := result.Err(); reason.Tag() == wasmote_device_mqtt.SubscribeError_InvalidFilter {
		return fmt.Errorf("invalid-filter: %s", reason.InvalidFilter())
	}
	return fmt.Errorf("too-many: the limit is %d subscriptions", result.Err().TooMany())
}

// Unsubscribe removes a subscription.
func (device *Device) Unsubscribe(filter string) { wasmote_device_mqtt.Unsubscribe(filter) }

// SetWill sets the message that the broker publishes if the connection ends without a DISCONNECT. Call it at the start.
func (device *Device) SetWill(message Outgoing) error {
	will := wasmote_device_mqtt.Will{
		Topic: message.Topic, Payload: message.Payload, Qos: message.QoS, Retain: message.Retain,
	}
	return publishError(wasmote_device_mqtt.SetWill(types.Some(will)))
}

// Connected is true if the host considers the connection up.
func (device *Device) Connected() bool { return wasmote_device_mqtt.Connected() }

// Now is the time since the start of the run.
func (device *Device) Now() time.Duration { return time.Duration(wasmote_device_clock.MonotonicNow()) }

// Timestamp is the time since 1970 by the clock of the device in seconds, to the microsecond.
func (device *Device) Timestamp() float64 { return float64(wasmote_device_clock.WallNow()/1000) / 1e6 }

// SetTimer calls OnTimer with this token once after a delay. A timer with the same token is replaced.
func (device *Device) SetTimer(token uint32, delay time.Duration) {
	if wasmote_device_timers.Set(token, uint64(max(delay, 0))).IsErr() {
		device.Error("timer %d not set: too many timers", token)
	}
}

// SetTimerAt does the same at a time of Now, so that an interval does not drift.
func (device *Device) SetTimerAt(token uint32, at time.Duration) {
	if wasmote_device_timers.SetAt(token, uint64(max(at, 0))).IsErr() {
		device.Error("timer %d not set: too many timers", token)
	}
}

// CancelTimer cancels a timer.
func (device *Device) CancelTimer(token uint32) { wasmote_device_timers.Cancel(token) }

// Random is a number from 0 (included) to 1 (excluded), which follows from the seed of the run.
func (device *Device) Random() float64 { return wasmote_device_random.Uniform() }

// RandomBits are 64 random bits.
func (device *Device) RandomBits() uint64 { return wasmote_device_random.NextU64() }

// RandomBytes are this many random bytes, at most 65,536.
func (device *Device) RandomBytes(count uint32) []byte { return wasmote_device_random.Bytes(count) }

// Trace logs details of every step.
func (device *Device) Trace(format string, values ...any) {
	write(wasmote_device_log.Level_Trace, format, values)
}

// Debug logs details for debugging the behaviour.
func (device *Device) Debug(format string, values ...any) {
	write(wasmote_device_log.Level_Debug, format, values)
}

// Info logs normal activity.
func (device *Device) Info(format string, values ...any) {
	write(wasmote_device_log.Level_Info, format, values)
}

// Warn logs an unexpected but handled event.
func (device *Device) Warn(format string, values ...any) {
	write(wasmote_device_log.Level_Warn, format, values)
}

// Error logs a failure.
func (device *Device) Error(format string, values ...any) {
	write(wasmote_device_log.Level_Error, format, values)
}

func write(level wasmote_device_log.Level, format string, values []any) {
	wasmote_device_log.Write(level, fmt.Sprintf(format, values...))
}

// Count adds to a counter.
func (device *Device) Count(name string, amount float64) {
	device.checkMetric(name, wasmote_device_metrics.CounterAdd(name, amount))
}

// Gauge sets a gauge.
func (device *Device) Gauge(name string, value float64) {
	device.checkMetric(name, wasmote_device_metrics.GaugeSet(name, value))
}

// Observe adds an observation to a histogram.
func (device *Device) Observe(name string, value float64) {
	device.checkMetric(name, wasmote_device_metrics.HistogramObserve(name, value))
}

func (device *Device) checkMetric(name string, result types.Result[types.Unit, wasmote_device_metrics.MetricError]) {
	if result.IsErr() {
		device.Warn("metric %s not recorded: error %d", name, result.Err().Tag())
	}
}

// Stored are bytes of the store, which survives crashes and restarts; nil without the key.
func (device *Device) Stored(key string) []byte { return wasmote_device_state.Get(key).SomeOr(nil) }

// Store stores bytes.
func (device *Device) Store(key string, value []byte) error {
	if result := wasmote_device_state.Set(key, value); result.IsErr() {
		return fmt.Errorf("the store is full: it holds %d bytes", result.Err().Full())
	}
	return nil
}

// Forget removes a key of the store.
func (device *Device) Forget(key string) { wasmote_device_state.Delete(key) }

// StoredKeys are the keys of the store, in byte order.
func (device *Device) StoredKeys() []string { return wasmote_device_state.Keys() }

// SendHTTP sends a request to a host of the allow-list; OnHTTPReply gets the reply with the number returned here.
func (device *Device) SendHTTP(request Request, timeout time.Duration) (uint64, error) {
	result := wasmote_device_http.Send(request, uint64(max(timeout, 0)))
	if !result.IsErr() {
		return result.Ok(), nil
	}
	switch reason := result.Err(); reason.Tag() {
	case wasmote_device_http.SendError_Denied:
		return 0, fmt.Errorf("denied: %s", reason.Denied())
	case wasmote_device_http.SendError_Invalid:
		return 0, fmt.Errorf("invalid: %s", reason.Invalid())
	case wasmote_device_http.SendError_BodyTooLarge:
		return 0, fmt.Errorf("body-too-large: the limit is %d bytes", reason.BodyTooLarge())
	default:
		return 0, fmt.Errorf("too-many: the limit is %d requests", reason.TooMany())
	}
}

// Report has `device`, `type` and `ts`; the caller adds fields.
func (device *Device) Report(kind string) map[string]any {
	return map[string]any{"device": device.ID, "type": kind, "ts": device.Timestamp()}
}

// SetOfflineWill sets a will that retains `offline` on the topic `state`.
func (device *Device) SetOfflineWill() error {
	return device.SetWill(Outgoing{Topic: device.Topic("state"), Payload: []byte("offline"), QoS: 1, Retain: true})
}

// PublishState publishes `online` or `offline` on the topic `state`, retained.
func (device *Device) PublishState(online bool) {
	state := "offline"
	if online {
		state = "online"
	}
	device.Send(Outgoing{Topic: device.Topic("state"), Payload: []byte(state), QoS: 1, Retain: true})
}
