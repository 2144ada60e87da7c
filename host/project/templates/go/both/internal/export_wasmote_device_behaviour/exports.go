// Package export_wasmote_device_behaviour receives the calls of the host from the generated bindings. The package `wasmote`
// sets the functions.
package export_wasmote_device_behaviour

import (
	"device/internal/wasmote_device_behaviour"
	"device/internal/wasmote_device_types"
	"device/internal/wit/runtime"
	"device/internal/wit/types"
)

// Exports are the functions of a behaviour.
type Exports struct {
	Start         func(cause uint8) error
	OnMessage     func(message wasmote_device_types.Message)
	OnTimer       func(token uint32)
	OnConnection  func(change wasmote_device_behaviour.ConnectionChange)
	OnHttpRequest func(request wasmote_device_types.HttpRequest) wasmote_device_types.HttpResponse
	OnHttpReply   func(id uint64, reply types.Result[wasmote_device_types.HttpResponse, wasmote_device_types.HttpFailure])
	Stop          func(reason uint8)
	Snapshot      func() ([]byte, error)
	Restore       func(saved []byte) error
}

// Set are the functions that the host calls.
var Set Exports

func result(err error) types.Result[types.Unit, string] {
	if err != nil {
		return types.Err[types.Unit, string](err.Error())
	}
	return types.Ok[types.Unit, string](types.Unit{})
}

func Start(cause uint8) types.Result[types.Unit, string] {
	defer runtime.Collect()
	return result(Set.Start(cause))
}

func OnMessage(message wasmote_device_types.Message) {
	defer runtime.Collect()
	Set.OnMessage(message)
}

func OnTimer(token uint32) {
	defer runtime.Collect()
	Set.OnTimer(token)
}

func OnConnection(change wasmote_device_behaviour.ConnectionChange) {
	defer runtime.Collect()
	Set.OnConnection(change)
}

func OnHttpRequest(request wasmote_device_types.HttpRequest) wasmote_device_types.HttpResponse {
	defer runtime.Collect()
	return Set.OnHttpRequest(request)
}

func OnHttpReply(id uint64, reply types.Result[wasmote_device_types.HttpResponse, wasmote_device_types.HttpFailure]) {
	defer runtime.Collect()
	Set.OnHttpReply(id, reply)
}

func Stop(reason uint8) { Set.Stop(reason) }

func Snapshot() types.Result[[]uint8, string] {
	saved, err := Set.Snapshot()
	if err != nil {
		return types.Err[[]uint8, string](err.Error())
	}
	return types.Ok[[]uint8, string](saved)
}

func Restore(saved []uint8) types.Result[types.Unit, string] {
	defer runtime.Collect()
	return result(Set.Restore(saved))
}
