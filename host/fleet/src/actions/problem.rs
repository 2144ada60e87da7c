//! Problem with a field of an action.

/// A field and what is wrong with it.
pub type Problem = (String, String);

/// Something wrong with a field; an empty name stands for the entry as a whole.
pub(super) fn at(field: &str, problem: impl Into<String>) -> Problem {
    (field.to_owned(), problem.into())
}
