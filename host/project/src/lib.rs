//! Projects of users' own behaviours and fault models, in folders outside of this repository.
//!
//! * [`create`] writes a new project from the [`templates`] of a [`language`], after a check of its [`toolchain`].
//! * [`manifest`] reads `wasmote.toml`, the description of a project.
//! * [`builder`] runs the build command of a project, and [`component`] turns the core module that it made into a
//!   component.
//! * [`scenario`] runs scripted tests of a component, and [`bench`] measures what it costs.
//! * [`watch`] finds changes of a project's sources.
//!
//! A language is a folder in `templates/`; its `template.toml` names its tools. Nothing else changes with a new one.

pub mod bench;
pub mod builder;
pub mod component;
pub mod create;
pub mod language;
pub mod manifest;
pub mod scenario;
pub mod templates;
pub mod toolchain;
pub mod watch;
mod wrapped;
