import unittest

from room import Room


class RoomTest(unittest.TestCase):
    def test_a_room_reaches_its_target(self):
        room = Room(21)
        room.heat()
        self.assertEqual(room.temperature, 15.6)
        for _ in range(100):
            room.heat()
        self.assertAlmostEqual(room.temperature, 21, delta=0.1)

    def test_an_impossible_target_is_refused(self):
        room = Room(21)
        self.assertEqual(room.set_target(99.5), "value: expected 5 to 30, found 99.5")
        self.assertEqual(room.target, 21)


if __name__ == "__main__":
    unittest.main()
