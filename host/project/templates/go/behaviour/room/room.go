// Package room is a simulated room with a heater.
package room

import (
	"fmt"
	"math"
)

// Targets that the thermostat accepts, in degrees Celsius.
const (
	Least = 5
	Most  = 30
)

const (
	// Temperature at the start.
	cold = 15
	// Share of the difference to the target that the heater makes up between two reports.
	heating = 0.1
)

// Room is a room and the temperature that it should have.
type Room struct {
	// Temperature in degrees Celsius, to a hundredth.
	Temperature float64
	// Target is the temperature to reach.
	Target float64
}

// New is a cold room.
func New(target float64) *Room { return &Room{Temperature: cold, Target: target} }

// Heat heats or cools the room until the next report.
func (room *Room) Heat() {
	temperature := room.Temperature + heating*(room.Target-room.Temperature)
	room.Temperature = math.Round(temperature*100) / 100
}

// SetTarget changes the target. The error tells the sender of the command what is allowed.
func (room *Room) SetTarget(target float64) error {
	if target < Least || target > Most || math.IsNaN(target) {
		return fmt.Errorf("value: expected %d to %d, found %g", Least, Most, target)
	}
	room.Target = target
	return nil
}
