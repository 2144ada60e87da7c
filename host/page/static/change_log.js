// Changes of states in order of time, as columns of numbers: a long run has hundreds of thousands.

const FIRST_CAPACITY = 1024;

export class ChangeLog {
  constructor() {
    this.length = 0;
    this.allocate(FIRST_CAPACITY);
  }

  allocate(capacity) {
    const columns = { at: Float64Array, position: Uint32Array, code: Uint8Array, reason: Uint32Array, oldCode: Uint8Array, oldReason: Uint32Array, oldSince: Float64Array };
    for (const [name, Kind] of Object.entries(columns)) {
      const column = new Kind(capacity);
      if (this[name]) column.set(this[name].subarray(0, this.length));
      this[name] = column;
    }
  }

  push(atS, position, code, reason) {
    if (this.length === this.at.length) this.allocate(this.length * 2);
    const at = this.length++;
    this.at[at] = atS;
    this.position[at] = position;
    this.code[at] = code;
    this.reason[at] = reason;
  }

  // Forgets the oldest changes.
  dropFirst(number) {
    for (const column of [this.at, this.position, this.code, this.reason, this.oldCode, this.oldReason, this.oldSince]) column.copyWithin(0, number, this.length);
    this.length -= number;
  }

  // Number of changes up to a time.
  countUntil(atS) {
    let [low, high] = [0, this.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at[middle] <= atS) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
