//! Problem with a field of an action.

/// Invalid field and the reason.
pub type Problem = (String, String);

/// Error in a field; an empty name stands for the entry as a whole.
pub(super) fn at(field: &str, problem: impl Into<String>) -> Problem {
    (field.to_owned(), problem.into())
}
