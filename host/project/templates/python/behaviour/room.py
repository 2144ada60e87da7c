"""A simulated room with a heater."""

# Targets that the thermostat accepts, in degrees Celsius.
LEAST, MOST = 5, 30
# Temperature at the start.
COLD = 15.0
# Share of the difference to the target that the heater makes up between two reports.
HEATING = 0.1


class Room:
    def __init__(self, target):
        #: Temperature in degrees Celsius, to a hundredth.
        self.temperature = COLD
        #: Temperature to reach.
        self.target = target

    def heat(self):
        """Heats or cools the room until the next report."""
        self.temperature = round(self.temperature + HEATING * (self.target - self.temperature), 2)

    def set_target(self, target):
        """Changes the target, or returns what the sender of the command did wrong."""
        if not LEAST <= target <= MOST:
            return f"value: expected {LEAST} to {MOST}, found {target}"
        self.target = target
        return None
