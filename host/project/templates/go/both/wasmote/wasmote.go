// Package wasmote is the SDK for behaviours in Go: a layer over the interfaces of wit/.
//
// A behaviour is a value with the methods of [Behaviour], made at each start of the device:
//
//	func init() { wasmote.Expose(start) }
//	func start(device *wasmote.Device, cause wasmote.StartCause) (wasmote.Behaviour, error) { ... }
//
// An error of `start`, `Snapshot` or `Restore` is an answer to the user. A panic is a bug: it ends the instance, and the log has
// its text.
package wasmote

import (
	"encoding/json"

	"device/internal/export_wasmote_device_behaviour"
	"device/internal/wasmote_device_behaviour"
	"device/internal/wasmote_device_types"
	"device/internal/wit/types"
)

// StartCause is the cause of a start.
type StartCause = wasmote_device_behaviour.StartCause

// Causes of a start.
const (
	PowerOn = wasmote_device_behaviour.StartCause_PowerOn
	Restart = wasmote_device_behaviour.StartCause_Restart
	Swapped = wasmote_device_behaviour.StartCause_Swap
)

// StopReason is the reason of a stop.
type StopReason = wasmote_device_behaviour.StopReason

// Reasons of a stop.
const (
	Requested = wasmote_device_behaviour.StopReason_Requested
	Shutdown  = wasmote_device_behaviour.StopReason_Shutdown
	Swap      = wasmote_device_behaviour.StopReason_Swap
)

// Request is an HTTP request, in either direction.
type Request = wasmote_device_types.HttpRequest

// Response is an HTTP response, in either direction.
type Response = wasmote_device_types.HttpResponse

// Behaviour handles the events of a device. Embed [Base] to have methods that do nothing for those that are of no interest.
type Behaviour interface {
	// OnMessage handles a message that matches a subscription.
	OnMessage(device *Device, message *Message)
	// OnTimer handles a timer that is due.
	OnTimer(device *Device, token uint32)
	// OnConnection handles a connection that came up or, with the reason, went down.
	OnConnection(device *Device, up bool, reason string)
	// OnHTTPRequest answers a request to this device.
	OnHTTPRequest(device *Device, request *Request) Response
	// OnHTTPReply handles the response to a request of this device; `failure` says why there is none.
	OnHTTPReply(device *Device, id uint64, response *Response, failure string)
	// Stop is the last call.
	Stop(device *Device, reason StopReason)
	// Snapshot saves the state for the next version of the component.
	Snapshot(device *Device) ([]byte, error)
	// Restore takes the state over from another version.
	Restore(device *Device, saved []byte) error
}

// Base is a behaviour that ignores all events.
type Base struct{}

func (Base) OnMessage(*Device, *Message)                    {}
func (Base) OnTimer(*Device, uint32)                        {}
func (Base) OnConnection(*Device, bool, string)             {}
func (Base) OnHTTPReply(*Device, uint64, *Response, string) {}
func (Base) Stop(*Device, StopReason)                       {}
func (Base) Snapshot(*Device) ([]byte, error)               { return nil, nil }
func (Base) Restore(*Device, []byte) error                  { return nil }
func (Base) OnHTTPRequest(*Device, *Request) Response {
	return ErrorResponse(404, "this device answers no requests")
}

// Expose makes a behaviour the one of this component. Call it in `init`.
func Expose(start func(device *Device, cause StartCause) (Behaviour, error)) {
	var device *Device
	var behaviour Behaviour
	export_wasmote_device_behaviour.Set = export_wasmote_device_behaviour.Exports{
		Start: func(cause uint8) (err error) {
			device = newDevice()
			behaviour, err = start(device, cause)
			return err
		},
		OnMessage: func(message wasmote_device_types.Message) {
			behaviour.OnMessage(device, newMessage(message))
		},
		OnTimer: func(token uint32) { behaviour.OnTimer(device, token) },
		OnConnection: func(change wasmote_device_behaviour.ConnectionChange) {
			if change.Tag() == wasmote_device_behaviour.ConnectionChange_Up {
				behaviour.OnConnection(device, true, "")
			} else {
				behaviour.OnConnection(device, false, change.Down())
			}
		},
		OnHttpRequest: func(request wasmote_device_types.HttpRequest) wasmote_device_types.HttpResponse {
			return behaviour.OnHTTPRequest(device, &request)
		},
		OnHttpReply: func(id uint64, reply types.Result[wasmote_device_types.HttpResponse, wasmote_device_types.HttpFailure]) {
			if reply.IsErr() {
				behaviour.OnHTTPReply(device, id, nil, failureText(reply.Err()))
			} else {
				response := reply.Ok()
				behaviour.OnHTTPReply(device, id, &response, "")
			}
		},
		Stop:     func(reason uint8) { behaviour.Stop(device, reason) },
		Snapshot: func() ([]byte, error) { return behaviour.Snapshot(device) },
		Restore:  func(saved []byte) error { return behaviour.Restore(device, saved) },
	}
}

func failureText(failure wasmote_device_types.HttpFailure) string {
	switch failure.Tag() {
	case wasmote_device_types.HttpFailure_Unreachable:
		return failure.Unreachable()
	case wasmote_device_types.HttpFailure_TooLarge:
		return "the response is too large"
	default:
		return "there was no response in time"
	}
}

// JSONResponse is a response with JSON.
func JSONResponse(status uint16, value any) Response {
	body, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	headers := []wasmote_device_types.HttpHeader{{Name: "content-type", Value: "application/json"}}
	return Response{Status: status, Headers: headers, Body: body}
}

// ErrorResponse is a response with a status and `{"error": reason}`.
func ErrorResponse(status uint16, reason string) Response {
	return JSONResponse(status, map[string]string{"error": reason})
}
