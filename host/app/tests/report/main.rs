//! Reports and comparisons of results folders that the tests write themselves.

mod compare;
mod errors;
mod fixture;
mod markup;
mod page;
