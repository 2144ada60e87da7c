//! The page that shows a fleet in a browser, and the recordings that it shows.
//!
//! * [`recording`]: what is known of a run: devices, links, states and their changes, samples, marks. A running host serves
//!   one of its own run and keeps it up to date; a results folder of an experiment has one in its `replay.html`.
//! * [`journey`]: what became of one message.
//! * [`assets`]: the files of the page. They are part of the program, so that nothing is requested from elsewhere.
//! * [`replay`]: one HTML file with the page and a recording, for `file://`.

pub mod assets;
pub mod journey;
pub mod recording;
pub mod replay;
