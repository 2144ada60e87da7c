#include "room.h"

#include <math.h>

// Temperature at the start.
static const double COLD = 15;
// Share of the difference to the target that the heater makes up between two reports.
static const double HEATING = 0.1;

room room_new(double target) { return (room){COLD, target}; }

void room_heat(room *room) {
  double temperature = room->temperature + HEATING * (room->target - room->temperature);
  room->temperature = round(temperature * 100) / 100;
}

bool room_set_target(room *room, double target) {
  if (!(target >= ROOM_LEAST && target <= ROOM_MOST)) return false;
  room->target = target;
  return true;
}
