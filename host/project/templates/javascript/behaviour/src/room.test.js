import assert from "node:assert/strict";
import test from "node:test";
import { Room } from "./room.js";

test("a room reaches its target", () => {
  const room = new Room(21);
  room.heat();
  assert.equal(room.temperature, 15.6);
  for (let index = 0; index < 100; index++) room.heat();
  assert.ok(Math.abs(room.temperature - 21) < 0.1);
});

test("an impossible target is refused", () => {
  const room = new Room(21);
  assert.equal(room.setTarget(99.5), "value: expected 5 to 30, found 99.5");
  assert.equal(room.target, 21);
});
