//! Names and client ids of devices, with a real Mosquitto.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::fleet::Fleet;
use crate::lines::DEFAULT_TIMEOUT;
use crate::mosquitto::Mosquitto;
use crate::program::wasmote;

const QUIET: [&str; 4] = ["--faults", "none", "--device-config", "interval=1s"];

fn run(args: &[&str]) -> Fleet {
    Fleet::run(&[&["heartbeat"], &QUIET[..], args].concat()).ready()
}

/// Runs a command that is refused, and returns the error.
fn refusal(args: &[&str]) -> String {
    let Output { status, stderr, .. } = wasmote(args).output().expect("the program runs");
    assert_eq!(status.code(), Some(2), "{}", String::from_utf8_lossy(&stderr));
    String::from_utf8(stderr).expect("text")
}

fn client_ids(broker: &Mosquitto) -> Vec<String> {
    let connected = |line: &String| Some(line.split_once(" as ")?.1.rsplit_once(" (p")?.0.to_owned());
    let mut ids: Vec<String> = broker.log.all().iter().filter_map(connected).collect();
    ids.sort();
    ids
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("disk space");
    path.to_str().expect("text").to_owned()
}

#[test]
fn a_broker_sees_the_exact_client_ids_of_a_file() {
    let broker = Mosquitto::start();
    let heard = broker.subscribe("wasmote/#");
    let folder = tempfile::tempdir().expect("a folder");
    let names =
        write(folder.path(), "names.txt", "\u{feff}aa:bb:cc:dd:ee:ff\r\nplant/7 Süd #1\r\n\r\nsn-000003\n");
    let fleet = run(&["--names", &names, "--broker", &broker.url()]);
    let devices = fleet.get("/devices");
    assert_eq!(devices["total"], 3, "{devices}");
    let mut expected =
        ["aa:bb:cc:dd:ee:ff", "plant/7 Süd #1", "sn-000003", "outside-wasmote__"].map(str::to_owned);
    expected.sort();
    assert_eq!(client_ids(&broker), expected);
    // The name of a device is one level of its topics, and the client id is part of its status.
    heard.wait(1, "/plant_7_Süd__1/heartbeat", DEFAULT_TIMEOUT);
    heard.wait(1, "/aa:bb:cc:dd:ee:ff/heartbeat", DEFAULT_TIMEOUT);
    let status = fleet.get("/devices/plant_7_S%C3%BCd__1");
    assert_eq!(status["client_id"], "plant/7 Süd #1", "{status}");
}

#[test]
fn templates_and_rows_name_devices_and_shards_share_them() {
    let broker = Mosquitto::start();
    let folder = tempfile::tempdir().expect("a folder");
    let rows = write(folder.path(), "devices.csv", "serial;site\nA1;west\nA2;east\nA3;west\n");
    let config = format!(
        "faults = \"none\"\n[[group]]\nbehaviour = \"heartbeat\"\n[group.identity]\nfile = {rows:?}\nname = \"{{serial}}\"\n\
         client_id = \"{{site}}/{{name}}\"\n[[group]]\nname = \"macs\"\nbehaviour = \"heartbeat\"\ncount = 2\n\
         [group.identity]\nname = \"{{MAC}}\"\nfirst_mac = \"00:1b:44:11:3a:ff\"\n"
    );
    let config = write(folder.path(), "fleet.toml", &config);
    let shards = ["1/2", "2/2"]
        .map(|shard| Fleet::run(&["--config", &config, "--shard", shard, "--broker", &broker.url()]).ready());
    let expected = ["00:1B:44:11:3A:FF", "00:1B:44:11:3B:00", "east/A2", "west/A1", "west/A3"];
    assert_eq!(client_ids(&broker), expected);
    let sizes = shards.map(|shard| shard.get("/devices")["total"].as_u64().expect("a number"));
    assert_eq!(sizes.iter().sum::<u64>(), 5, "{sizes:?}");
    let fleet =
        run(&["-n", "2", "--name", "sn-{index:06}", "--first-index", "41", "--broker", &broker.url()]);
    assert_eq!(fleet.get("/devices/sn-000042")["client_id"], "sn-000042");
}

#[test]
fn invalid_identities_are_refused_with_their_place_and_a_remedy() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| write(folder.path(), name, text);
    let twice = file("twice.txt", "a\nb\na\n");
    let alike = file("alike.txt", "a/1\na#1\n");
    let few = file("few.txt", "a\nb\n");
    let empty = file("empty.csv", "name,client_id\na,b\n,\n");
    let typo = file("typo.csv", "nmae,site\na,b\n");
    for (args, expected) in [
        (
            vec!["run", "--names", &twice],
            vec!["twice.txt line 3: the client id `a` is also that of", "twice.txt line 1; a broker"],
        ),
        (
            vec!["run", "--names", &alike],
            vec!["alike.txt line 2: the name `a_1` is also that of", "names of their own"],
        ),
        (
            vec!["run", "--names", &few, "-n", "3"],
            vec!["few.txt: it has 2 names, and device 3 of the group needs one"],
        ),
        (vec!["run", "--identity-file", &empty], vec!["empty.csv line 3, column `name`: it is empty"]),
        (
            vec!["run", "--identity-file", &typo],
            vec!["typo.csv line 1: column `nmae`", "did you mean `name`?"],
        ),
        (vec!["run", "--name", "sn", "-n", "2"], vec!["two devices have the client id `sn`; put `{index}`"]),
        (
            vec!["run", "--name", "sn-{idex}"],
            vec!["--name: `{idex}` is no placeholder", "did you mean `index`?"],
        ),
        (vec!["run", "--names", "missing.txt"], vec!["--names missing.txt: cannot be read"]),
        (vec!["run", "--names", &few, "--device-id", "x"], vec!["--device-id"]),
        (
            vec![
                "manifests",
                "--config",
                &file("m.toml", "[[group]]\nbehaviour = \"heartbeat\"\nidentity = { name = \"{mac}\" }\n"),
            ],
            vec!["names of their own"],
        ),
    ] {
        let output = wasmote(&args).output().expect("the program runs");
        let stderr = String::from_utf8(output.stderr).expect("text");
        assert!(
            !output.status.success() && expected.iter().all(|part| stderr.contains(part)),
            "{args:?}: {stderr}"
        );
    }
    let several = file(
        "several.toml",
        "[[group]]\nname = \"a\"\nbehaviour = \"heartbeat\"\n[[group]]\nname = \"b\"\nbehaviour = \"heartbeat\"\n",
    );
    let found = refusal(&["run", "--config", &several, "--name", "x{index}"]);
    assert!(found.contains("--name: these options are for one group"), "{found}");
}
