// Random numbers of the device, which follow from the seed of the run. `Math.random` does not; do not use it.

export class Random {
  #host;

  constructor(host) {
    this.#host = host;
  }

  /** A number from 0 (included) to 1 (excluded). */
  uniform() {
    return this.#host.uniform();
  }

  /** A number from `least` (included) to `most` (excluded). */
  between(least, most) {
    return least + (most - least) * this.uniform();
  }

  /** True with this probability. */
  chance(probability) {
    return this.uniform() < probability;
  }

  /** A number of the standard normal distribution. */
  normal() {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }

  /** This many random bytes, at most 65,536. */
  bytes(count) {
    return new Uint8Array(this.#host.bytes(count));
  }

  /** 64 random bits as a `BigInt`. */
  bits() {
    return this.bytes(8).reduce((bits, byte) => (bits << 8n) | BigInt(byte), 0n);
  }
}
