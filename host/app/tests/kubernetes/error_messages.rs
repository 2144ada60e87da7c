//! Error messages for invalid options.

use crate::command::call;

#[test]
fn invalid_options_are_named_with_a_remedy() {
    let cases: [(&[&str], &[&str]); 13] = [
        (&["--behaviour", "hartbeat"], &["did you mean `heartbeat`?"]),
        (&["--behaviour", "sensor=0"], &["--behaviour", "from 1 on"]),
        (&["--replicas", "0"], &["--replicas", "from 1 on"]),
        (&["--namespace", "My_Lab"], &["`My_Lab`", "RFC 1123"]),
        (&["--image", "two words"], &["`two words` is not an image"]),
        (&["--memory", "64MB"], &["`64MB`", "64Mi"]),
        (&["--broker", "embedded"], &["devices of different pods could not exchange", "mqtt://HOST"]),
        (&["--broker", "mqtt://host", "--ca", "mine"], &["--ca", "mqtts://"]),
        (&["--broker", "mqtt://host", "--tls"], &["--tls", "--broker"]),
        (&["--faults", "realistc"], &["did you mean `realistic`?"]),
        (&["--limit", "timerz=1"], &["timers"]),
        (&["--behaviour", "sensor", "--behaviour", "sensor"], &["`sensor` is taken"]),
        (&["--replicas", "4000000000", "--devices", "4000000000"], &["--replicas", "more than"]),
    ];
    for (words, wanted) in cases {
        let output = call(words);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{words:?}: {stderr}");
        assert!(output.stdout.is_empty(), "{words:?}");
        for wanted in wanted {
            assert!(stderr.contains(wanted), "{words:?}: {stderr}");
        }
    }
}

#[test]
fn a_group_that_kubernetes_cannot_name_or_divide_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("fleet.toml");
    let long = "x".repeat(50);
    for (name, count, wanted) in
        [("west", 7, "do not divide into pods of 2"), (&long, 2, "too long"), ("_", 2, "RFC 1123")]
    {
        let text = format!("[[group]]\nname = \"{name}\"\nbehaviour = \"sensor\"\ncount = {count}\n");
        std::fs::write(&file, text).unwrap();
        let output = call(&["--config", file.to_str().unwrap(), "--devices", "2"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(!output.status.success() && stderr.contains(wanted), "{name}: {stderr}");
    }
}
