// A simulated room with a heater.

/** Targets that the thermostat accepts, in degrees Celsius. */
export const TARGETS = { least: 5, most: 30 };
/** Temperature at the start. */
const COLD = 15;
/** Share of the difference to the target that the heater makes up between two reports. */
const HEATING = 0.1;

export class Room {
  constructor(target) {
    /** Temperature in degrees Celsius, to a hundredth. */
    this.temperature = COLD;
    /** Temperature to reach. */
    this.target = target;
  }

  /** Heats or cools the room until the next report. */
  heat() {
    const temperature = this.temperature + HEATING * (this.target - this.temperature);
    this.temperature = Math.round(temperature * 100) / 100;
  }

  /** Changes the target, or returns what the sender of the command did wrong. */
  setTarget(target) {
    if (!(target >= TARGETS.least && target <= TARGETS.most)) {
      return `value: expected ${TARGETS.least} to ${TARGETS.most}, found ${target}`;
    }
    this.target = target;
    return undefined;
  }
}
