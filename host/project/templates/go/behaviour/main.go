// A thermostat: it heats a simulated room to a target temperature, reports both, and takes commands.
//
// Each method handles one event of the device. The package `room` has no device, so `go test ./room` tests it natively.
// `wasmote test` runs the whole behaviour in the scenarios of tests/.
package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"device/room"
	"device/wasmote"
)

const reportTimer = 1

func init() { wasmote.Expose(start) }

type thermostat struct {
	wasmote.Base
	interval time.Duration
	seq      uint64
	room     *room.Room
}

func start(device *wasmote.Device, _ wasmote.StartCause) (wasmote.Behaviour, error) {
	config := device.Config()
	config.DenyUnknownFields("interval", "target")
	interval := config.Duration("interval", time.Second, 100*time.Millisecond)
	target := config.Number("target", 21, room.Least, room.Most)
	if err := config.Err(); err != nil {
		return nil, err
	}
	// The store survives a loss of power.
	if stored, err := strconv.ParseFloat(string(device.Stored("target")), 64); err == nil {
		target = stored
	}
	if err := device.SetOfflineWill(); err != nil {
		return nil, err
	}
	if err := device.Subscribe(device.Topic("cmd"), 1); err != nil {
		return nil, err
	}
	device.SetTimer(reportTimer, interval)
	return &thermostat{interval: interval, room: room.New(target)}, nil
}

func (t *thermostat) OnConnection(device *wasmote.Device, up bool, _ string) {
	if up {
		device.PublishState(true)
	}
}

func (t *thermostat) OnTimer(device *wasmote.Device, _ uint32) {
	device.SetTimer(reportTimer, t.interval)
	t.room.Heat()
	t.seq++
	report := device.Report("telemetry")
	report["seq"] = t.seq
	report["values"] = map[string]float64{"room": t.room.Temperature, "target": t.room.Target}
	device.SendJSON(device.Topic("telemetry"), report)
	device.Count("reports_total", 1)
}

func (t *thermostat) OnMessage(device *wasmote.Device, message *wasmote.Message) {
	device.HandleCommand(message, func(name string, body map[string]any) error {
		if name != "target" {
			return fmt.Errorf("there is no command `%s`; this device knows `target`", name)
		}
		number, isNumber := body["value"].(json.Number)
		value, err := number.Float64()
		if !isNumber || err != nil {
			return fmt.Errorf("value: expected a number")
		}
		if err := t.room.SetTarget(value); err != nil {
			return err
		}
		return device.Store("target", []byte(number))
	})
}

// saved is the state for the next version of the component, and the answer to HTTP requests.
type saved struct {
	Device string  `json:"device,omitempty"`
	Seq    uint64  `json:"seq"`
	Room   float64 `json:"room"`
	Target float64 `json:"target"`
}

func (t *thermostat) OnHTTPRequest(device *wasmote.Device, request *wasmote.Request) wasmote.Response {
	path, _, _ := strings.Cut(request.Url, "?")
	switch {
	case path != "/":
		return wasmote.ErrorResponse(404, "not found; this device answers /")
	case request.Method != "GET":
		return wasmote.ErrorResponse(405, "only GET is answered here")
	}
	return wasmote.JSONResponse(200, saved{device.ID, t.seq, t.room.Temperature, t.room.Target})
}

func (t *thermostat) Stop(device *wasmote.Device, reason wasmote.StopReason) {
	// During a swap the new version goes on with the same connection.
	if reason != wasmote.Swap {
		device.PublishState(false)
	}
}

func (t *thermostat) Snapshot(*wasmote.Device) ([]byte, error) {
	return json.Marshal(saved{Seq: t.seq, Room: t.room.Temperature, Target: t.room.Target})
}

func (t *thermostat) Restore(_ *wasmote.Device, bytes []byte) error {
	var state saved
	if err := json.Unmarshal(bytes, &state); err != nil {
		return fmt.Errorf("the snapshot cannot be read: %w", err)
	}
	t.seq, t.room.Temperature, t.room.Target = state.Seq, state.Room, state.Target
	return nil
}
