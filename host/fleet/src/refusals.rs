//! What a broker did not take, in words.

use wasmote_sim::ledger::Ledger;

/// Refused messages by cause; `None` if there are none.
pub fn by_cause(ledger: &Ledger) -> Option<String> {
    let each = ledger.refused.causes().into_iter().filter(|(_, count)| *count > 0);
    list(each.map(|(cause, count)| match cause {
        "broker" => format!("by the broker {count}"),
        cause => format!("{} {count}", cause.replace('_', " ")),
    }))
}

/// Negative answers of the broker, as the end of a sentence; empty if there are none.
pub fn answers(ledger: &Ledger) -> String {
    let each = ledger.negative_answers.iter().map(|(answer, count)| format!("{answer} {count}"));
    list(each).map(|list| format!("; negative answers of the broker: {list}")).unwrap_or_default()
}

/// Reason for which the broker took no message, if it took none although some were handed to it. A fault that drops
/// messages or ends connections is a reason too, but one that the user has chosen.
pub fn nothing_accepted(ledger: &Ledger) -> Option<String> {
    let (generated, refused, faults) = (ledger.generated, ledger.refused.by_broker(), ledger.fault_total());
    let by_fault = faults.dropped_out > 0 || faults.outages > 0;
    match () {
        () if ledger.sent > 0 => None,
        () if refused > 0 => {
            let causes = by_cause(ledger).unwrap_or_default();
            let answers = answers(ledger);
            Some(format!("of {generated} published messages it refused {refused} ({causes}){answers}"))
        }
        () if ledger.returned > 0 && !by_fault => Some(format!(
            "it acknowledged none of {generated} published messages before their connections ended; the log has the \
             reasons{}",
            answers(ledger)
        )),
        () => None,
    }
}

/// Entries with commas in between; `None` without entries.
pub fn list(entries: impl Iterator<Item = String>) -> Option<String> {
    let entries: Vec<String> = entries.collect();
    (!entries.is_empty()).then(|| entries.join(", "))
}

#[cfg(test)]
mod tests {
    use wasmote_sim::ledger::RefusedMessages;

    use super::*;

    fn ledger(generated: u64, sent: u64, returned: u64, refused: RefusedMessages) -> Ledger {
        let mut ledger = Ledger::default();
        (ledger.generated, ledger.sent, ledger.returned, ledger.refused) =
            (generated, sent, returned, refused);
        ledger
    }

    #[test]
    fn a_broker_that_took_nothing_is_told_apart_from_one_that_was_not_asked() {
        let none = RefusedMessages::default();
        let queue_full = RefusedMessages { queue_full: 3, ..none };
        assert_eq!(nothing_accepted(&ledger(3, 0, 0, queue_full)), None);
        let ended = RefusedMessages { ends_connection: 1, queue_full: 2, ..none };
        let why = "of 3 published messages it refused 1 (queue full 2, ends connection 1)";
        assert_eq!(nothing_accepted(&ledger(3, 0, 0, ended)).as_deref(), Some(why));
        assert_eq!(nothing_accepted(&ledger(3, 1, 0, ended)), None);
        assert!(nothing_accepted(&ledger(3, 0, 1, none)).unwrap().starts_with("it acknowledged none of 3"));
        assert_eq!(nothing_accepted(&ledger(0, 0, 0, none)), None);
    }
}
