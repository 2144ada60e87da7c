// A simulated room with a heater.
#ifndef ROOM_H
#define ROOM_H

#include <stdbool.h>

// Targets that the thermostat accepts, in degrees Celsius.
#define ROOM_LEAST 5.0
#define ROOM_MOST 30.0

typedef struct {
  // Temperature in degrees Celsius, to a hundredth.
  double temperature;
  // Temperature to reach.
  double target;
} room;

// A cold room.
room room_new(double target);
// Heats or cools the room until the next report.
void room_heat(room *room);
// Changes the target; false if it is not possible.
bool room_set_target(room *room, double target);

#endif
