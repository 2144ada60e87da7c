//! How the program ends.

use std::process::ExitCode;

use wasmote_fleet::signals::INTERRUPTED;

/// The exit codes, which scripts rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Everything asked for was done. A run without `--duration` that a signal ended in order is one, too:
    /// that is how such a run ends.
    Done,
    /// Something went wrong on the way.
    Failed,
    /// The command line, the environment or a file asks for something that makes no sense.
    Usage,
    /// All was done, and a threshold of the experiment was missed.
    ThresholdMissed,
    /// A signal ended the run before its `--duration`, or a second one ended it at once.
    Interrupted,
}

impl Exit {
    /// The code itself.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::ThresholdMissed => 99,
            Self::Interrupted => INTERRUPTED,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
