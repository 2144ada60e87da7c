//! Errors of `[hunt]` tables and of invariants.

use super::PLAIN;
use crate::workspace::{Workspace, text};

#[test]
fn wrong_pools_and_rules_are_refused_with_their_place_and_the_nearest_name() {
    for (table, expected) in [
        ("[hunt]\nfaults = []", "hunt.faults"),
        ("[hunt]\nerors = true", "did you mean `errors`?"),
        ("[[hunt.fault]]\nkind = \"los\"", "hunt.fault[0]: "),
        ("[[hunt.fault]]\nkind = \"los\"", "did you mean `loss`?"),
        ("[[hunt.fault]]\nkind = \"loss\"\nprobability = { min = 0.1, max = 2 }", "hunt.fault[0]: "),
        (
            "[[hunt.fault]]\nkind = \"loss\"\nprobability = { min = 0.9, max = 0.1 }",
            "hunt.fault[0].probability: the range is empty",
        ),
        ("[[hunt.action]]\ncrsh = { count = 1 }", "hunt.action[0]: "),
        ("[[hunt.action]]\ncrash = { group = \"heartbaet\" }", "did you mean `heartbeat`?"),
        ("[hunt.set]\n\"group.heartbaet.count\" = [1, 2]", "did you mean `heartbeat`?"),
        ("[hunt.set]\n\"group.heartbeat.count\" = []", "`any` needs a list of values"),
        ("[hunt.set]\n\"group.heartbeat.count\" = { min = \"x\", max = 3 }", "is no range"),
        ("[sweep]\nduration = [\"10s\", \"20s\"]", "leave the sweep out"),
        ("[[invariant]]\nname = \"a\"\ncheck = \"never trap\"", "did you mean `traps`?"),
        (
            "[[invariant]]\nname = \"a\"\ncheck = \"never traps\"\ngroup = \"heart\"",
            "no group is called `heart`",
        ),
        (
            "[[invariant]]\nname = \"a\"\ncheck = \"never traps\"\n[[invariant]]\nname = \"a\"\ncheck = \"never crashes\"",
            "`a` is taken by an earlier invariant",
        ),
    ] {
        let workspace = Workspace::with_plan(&format!("{PLAIN}\n{table}\n"));
        let output = workspace.call(&["hunt", "plan.toml", "--runs", "1"]);
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{table}: {printed}");
        assert!(printed.contains(expected), "{table}: {printed}");
        assert!(!workspace.0.path().join("results").exists(), "{table}: nothing was run");
    }
}
