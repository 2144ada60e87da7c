// See ../README.md.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"device/wasmote"
)

func init() { wasmote.Expose(start) }

type probe struct {
	wasmote.Base
	messages uint64
}

func start(device *wasmote.Device, _ wasmote.StartCause) (wasmote.Behaviour, error) {
	config := device.Config()
	serial := config.Unsigned("serial", 18446744073709551615)
	level := config.Number("level", 3, 0, 10)
	if err := config.Err(); err != nil {
		return nil, err
	}
	if err := device.Subscribe(device.Topic("in/#"), 2); err != nil {
		return nil, err
	}
	err := device.Publish(wasmote.Outgoing{
		Topic:   device.Topic("hello"),
		Payload: fmt.Appendf(nil, "%d %g", serial, level),
		QoS:     1,
		Retain:  true,
		Properties: &wasmote.Properties{
			ContentType:     "text/plain",
			ResponseTopic:   "reply/here",
			CorrelationData: []byte{0, 255, 128},
			MessageExpiry:   60,
			User:            []wasmote.UserProperty{{Name: "a", Value: "ä"}},
		},
	})
	return &probe{}, err
}

func (p *probe) OnMessage(device *wasmote.Device, message *wasmote.Message) {
	p.messages++
	publish := func(leaf string, payload []byte) error {
		return device.Publish(wasmote.Outgoing{Topic: device.Topic(leaf), Payload: payload})
	}
	switch leaf := message.Topic[strings.LastIndex(message.Topic, "/")+1:]; leaf {
	case "echo":
		device.Send(wasmote.Outgoing{
			Topic: device.Topic("echo"), Payload: message.Payload, QoS: message.QoS, Properties: message.Properties,
		})
	case "json":
		body, _ := message.JSON()
		device.SendJSON(device.Topic("json"), map[string]any{"n": body["n"]})
	case "log":
		device.Trace("at trace")
		device.Debug("at debug")
		device.Info("at info")
		device.Warn("at warn")
		device.Error("at error")
	case "random":
		publish("random", device.RandomBytes(16))
	case "clock":
		publish("clock", fmt.Appendf(nil, "%g %d", device.Now().Seconds(), int64(device.Timestamp())))
	case "timer":
		device.SetTimer(4294967295, 250*time.Millisecond)
		device.SetTimerAt(7, 2500*time.Millisecond)
		device.SetTimer(8, 100*time.Millisecond)
		device.CancelTimer(8)
	case "metrics":
		device.Count("probes_total", 1)
		device.Count("probes_total", 1)
		device.Gauge("probe_level", 0.5)
		device.Observe("probe_seconds", 3)
	case "store":
		stored := device.Stored("value")
		if stored == nil {
			stored = []byte("nothing")
		}
		publish("stored", stored)
		device.Store("value", message.Payload)
	case "invalid":
		if err := publish("a/#", []byte("x")); err != nil {
			code, _, _ := strings.Cut(err.Error(), ":")
			publish("invalid", []byte(code))
		}
	default:
		panic("the probe has a fault")
	}
}

func (p *probe) OnTimer(device *wasmote.Device, token uint32) {
	device.Send(wasmote.Outgoing{Topic: device.Topic("timer"), Payload: fmt.Appendf(nil, "%d", token)})
}

func (p *probe) OnHTTPRequest(_ *wasmote.Device, request *wasmote.Request) wasmote.Response {
	if path, _, _ := strings.Cut(request.Url, "?"); request.Method == "POST" && path == "/echo" {
		return wasmote.Response{Status: 201, Body: request.Body}
	}
	return wasmote.ErrorResponse(404, "not found")
}

func (p *probe) Stop(device *wasmote.Device, reason wasmote.StopReason) {
	names := []string{"requested", "shutdown", "swap"}
	device.Send(wasmote.Outgoing{Topic: device.Topic("bye"), Payload: []byte(names[reason])})
}

func (p *probe) Snapshot(*wasmote.Device) ([]byte, error) { return json.Marshal(p.messages) }

func (p *probe) Restore(device *wasmote.Device, saved []byte) error {
	if err := json.Unmarshal(saved, &p.messages); err != nil {
		return errors.New("the snapshot has no number of messages")
	}
	return device.Publish(wasmote.Outgoing{Topic: device.Topic("restored"), Payload: saved})
}
