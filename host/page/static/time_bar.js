// Slider over the time of the run, with play, speed and steps.

import { el, fill } from "./dom.js";
import { clock } from "./format.js";

export class TimeBar {
  constructor(app, place) {
    this.app = app;
    this.slider = el("input", { type: "range", id: "time-slider", min: "0", max: "1", step: "0.1", "aria-label": "Time", oninput: () => this.drag() });
    this.clock = el("output", { id: "time-now", for: "time-slider" });
    this.play = el("button", { id: "time-play", onclick: () => this.toggle() }, "Play");
    this.speed = el("select", { id: "time-speed", "aria-label": "Speed", class: "wide" }, [1, 2, 5, 10, 60].map((value) => el("option", { value: String(value) }, value + " ×")));
    this.next = el("button", { id: "time-next", onclick: () => this.step() }, "Next event");
    this.live = el("button", { id: "time-live", onclick: () => this.toEnd() }, "Now");
    fill(place, el("div", { class: "row" }, this.play, this.speed, this.next, this.slider, this.clock, this.live));
  }

  update() {
    const { store } = this.app;
    this.slider.min = String(store.fromS);
    this.slider.max = String(Math.max(store.endS, store.fromS + 0.1));
    if (document.activeElement !== this.slider || store.shown === null) this.slider.value = String(store.now);
    this.slider.setAttribute("aria-valuetext", clock(store.now));
    this.clock.textContent = clock(store.now);
    this.live.textContent = store.isLive ? "Now" : "End";
    this.live.setAttribute("aria-pressed", String(store.shown === null));
    this.play.textContent = this.isPlaying ? "Stop" : "Play";
  }

  drag() {
    this.isPlaying = false;
    this.app.store.seek(Number(this.slider.value));
  }

  toEnd() {
    this.isPlaying = false;
    this.app.store.seek(null);
  }

  step() {
    const { store } = this.app;
    this.isPlaying = false;
    const instant = store.nextInstant(store.now, this.app.tab === "device" ? this.app.device : null);
    if (instant !== null) store.seek(instant);
  }

  toggle() {
    const { store } = this.app;
    this.isPlaying = !this.isPlaying;
    if (!this.isPlaying) return this.update();
    if (store.shown === null) store.seek(store.fromS);
    let last = performance.now();
    const advance = (now) => {
      if (!this.isPlaying) return;
      const to = store.now + ((now - last) / 1000) * Number(this.speed.value);
      last = now;
      const stop = this.app.stopAt;
      if (stop !== null && store.now < stop && to >= stop) {
        this.isPlaying = false;
        store.seek(stop);
      } else if (to >= store.endS) this.toEnd();
      else {
        store.seek(to);
        requestAnimationFrame(advance);
      }
    };
    requestAnimationFrame(advance);
    this.update();
  }
}
