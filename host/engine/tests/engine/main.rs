//! What users and neighbours see of guests, good and bad.

mod bench;
#[cfg(unix)]
mod cache;
mod density;
mod effort;
#[path = "../guests/mod.rs"]
mod guests;
mod hostile;
mod loading;
mod models;
mod wasi;
mod wellbehaved;
