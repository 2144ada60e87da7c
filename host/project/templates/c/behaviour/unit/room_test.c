// Unit tests of parts without a device; they run natively.
#include <assert.h>
#include <math.h>
#include <stdio.h>

#include "../src/room.h"

int main(void) {
  room room = room_new(21);
  room_heat(&room);
  assert(room.temperature == 15.6);
  for (int index = 0; index < 100; index++) room_heat(&room);
  assert(fabs(room.temperature - 21) < 0.1);

  assert(!room_set_target(&room, 99.5) && room.target == 21);
  assert(room_set_target(&room, 25) && room.target == 25);
  puts("a room reaches its target, and refuses an impossible one");
  return 0;
}
