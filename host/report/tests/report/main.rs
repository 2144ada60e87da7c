//! Tests of reports and comparisons with generated results folders.

mod compare;
mod errors;
mod fixture;
mod markup;
mod page;
