//! Identities of the devices of a group: names, client ids and credentials.
//!
//! * [`options`]: the table `[group.identity]` and its flags. [`template`]: texts with placeholders such as `{index:06}`.
//! * [`table`]: a CSV file with a row for each device. [`mac`]: addresses that are counted up.
//! * [`names`]: the name and the client id of each device, from these. [`credentials`]: user name, password, token and
//!   certificate.

pub mod credentials;
pub mod mac;
pub mod names;
pub mod options;
pub mod table;
pub mod template;

/// A setting of an identity that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {problem}")]
pub struct IdentityProblem {
    /// The field, or the place in a file, such as `devices.csv line 7, column key`.
    pub place: String,
    /// What was found, and the remedy.
    pub problem: String,
}

impl IdentityProblem {
    /// A problem at a place.
    pub fn new(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { place: place.into(), problem: problem.into() }
    }
}
