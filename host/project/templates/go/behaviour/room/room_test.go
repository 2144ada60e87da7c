package room

import (
	"math"
	"testing"
)

func TestARoomReachesItsTarget(t *testing.T) {
	room := New(21)
	room.Heat()
	if room.Temperature != 15.6 {
		t.Fatalf("after one step: %v", room.Temperature)
	}
	for range 100 {
		room.Heat()
	}
	if math.Abs(room.Temperature-21) >= 0.1 {
		t.Fatalf("at the end: %v", room.Temperature)
	}
}

func TestAnImpossibleTargetIsRefused(t *testing.T) {
	room := New(21)
	err := room.SetTarget(99.5)
	if err == nil || err.Error() != "value: expected 5 to 30, found 99.5" || room.Target != 21 {
		t.Fatalf("%v, %v", err, room.Target)
	}
}
