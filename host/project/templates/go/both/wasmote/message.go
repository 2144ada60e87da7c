package wasmote

import (
	"bytes"
	"encoding/json"
	"fmt"

	"device/internal/wasmote_device_types"
)

// Message is a received message.
type Message struct {
	Topic   string
	Payload []byte
	// QoS is 0, 1 or 2.
	QoS    uint8
	Retain bool
	// Properties of MQTT 5, or nil.
	Properties *Properties
}

func newMessage(message wasmote_device_types.Message) *Message {
	received := &Message{Topic: message.Topic, Payload: message.Payload, QoS: message.Qos, Retain: message.Retain}
	if message.Properties.IsSome() {
		properties := message.Properties.Some()
		received.Properties = &Properties{
			ContentType:     properties.ContentType.SomeOr(""),
			ResponseTopic:   properties.ResponseTopic.SomeOr(""),
			CorrelationData: properties.CorrelationData.SomeOr(nil),
			MessageExpiry:   properties.MessageExpiry.SomeOr(0),
			User:            properties.UserProperties,
		}
	}
	return received
}

// JSON parses the payload as a JSON object whose numbers keep all digits (json.Number).
func (message *Message) JSON() (map[string]any, error) {
	var object map[string]any
	decoder := json.NewDecoder(bytes.NewReader(message.Payload))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, fmt.Errorf("there is more after the object")
	}
	return object, nil
}

// HandleCommand handles a message as a command `{"id": ..., "cmd": "name", ...}` and acknowledges it, on the response topic of
// the message or on `<root>/<device>/ack`. An error of `execute` refuses the command.
func (device *Device) HandleCommand(message *Message, execute func(name string, body map[string]any) error) {
	body, err := message.JSON()
	name, isText := body["cmd"].(string)
	switch {
	case err != nil:
		err = fmt.Errorf("the command is no JSON: %w", err)
	case !isText:
		err = fmt.Errorf("cmd: expected the name of a command")
	default:
		err = execute(name, body)
	}
	report := device.Report("ack")
	report["id"], report["cmd"], report["ok"] = body["id"], body["cmd"], err == nil
	if err != nil {
		report["error"] = err.Error()
		device.Warn("command %s refused: %v", name, err)
	} else {
		device.Info("command %s done", name)
	}
	payload, err := json.Marshal(report)
	if err != nil {
		panic(err)
	}
	answer := Outgoing{Topic: device.Topic("ack"), Payload: payload, QoS: 1}
	if properties := message.Properties; properties != nil {
		if properties.ResponseTopic != "" {
			answer.Topic = properties.ResponseTopic
		}
		if properties.CorrelationData != nil {
			answer.Properties = &Properties{CorrelationData: properties.CorrelationData}
		}
	}
	device.Send(answer)
}
