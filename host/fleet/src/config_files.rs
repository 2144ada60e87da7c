//! Files in a behaviour's configuration: `{ "$file" = "flow.csv" }` stands for the text of the file, and
//! `{ "$data" = "flow.csv" }` for a table that devices read row by row.
//!
//! A behaviour has no access to files. The host reads those of `$file` once, so results of experiments contain their text.
//! A file of `$data` may have any length: it gets its whole path and its SHA-256, so that results name exactly that file.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};
use wasmote_engine::data_files::{SharedFiles, sha256_of};
use wasmote_sim::config::{DATA_FIELD, DeviceConfig, PIN_FIELD};
use wasmote_sim::data::Purpose;

use crate::regular_file::{self, text_without_bom};

/// Name of the only field of an object that stands for a file.
pub const FILE_FIELD: &str = "$file";

/// Maximum size of all files of one configuration. Every device receives their text.
const MAX_BYTES: u64 = 1 << 20;

/// A file that a configuration names cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot use the file `{path}`: {problem}")]
pub struct FileError {
    /// Path of the field in the configuration, such as `channels.0.csv`.
    pub field: String,
    path: String,
    problem: String,
}

/// Replaces each object with the only field `$file` by the text of that file. Paths are relative to `folder`.
pub fn expand(config: &mut Map<String, Value>, folder: &Path) -> Result<(), FileError> {
    let mut files = Files { folder, left: MAX_BYTES, field: Vec::new() };
    config.iter_mut().try_for_each(|(name, value)| files.expand_at(name.clone(), value))
}

/// Does the same for one value of a configuration, such as a swept one.
pub fn expand_value(value: &mut Value, folder: &Path) -> Result<(), FileError> {
    Files { folder, left: MAX_BYTES, field: Vec::new() }.expand(value)
}

struct Files<'a> {
    folder: &'a Path,
    /// Bytes that further files may have.
    left: u64,
    field: Vec<String>,
}

impl Files<'_> {
    fn expand(&mut self, value: &mut Value) -> Result<(), FileError> {
        if let Some(path) = file_of(value) {
            let path = path.to_owned();
            let text = self.read(&path);
            let error = |problem| FileError { field: self.field.join("."), path, problem };
            *value = Value::String(text.map_err(error)?);
            return Ok(());
        }
        if let Some((path, fields)) = data_of(value) {
            let pinned = self.pin(&path, fields);
            return pinned.map_err(|problem| FileError { field: self.field.join("."), path, problem });
        }
        match value {
            Value::Object(fields) => {
                fields.iter_mut().try_for_each(|(name, value)| self.expand_at(name.clone(), value))
            }
            Value::Array(items) => {
                let mut items = items.iter_mut().enumerate();
                items.try_for_each(|(index, value)| self.expand_at(index.to_string(), value))
            }
            _ => Ok(()),
        }
    }

    fn expand_at(&mut self, name: String, value: &mut Value) -> Result<(), FileError> {
        self.field.push(name);
        self.expand(value)?;
        self.field.pop();
        Ok(())
    }

    /// Completes a file of data by its whole path and its SHA-256. A file with another hash than it should have is refused.
    fn pin(&self, path: &str, fields: &mut Map<String, Value>) -> Result<(), String> {
        let whole = std::path::absolute(self.folder.join(path)).map_err(|problem| problem.to_string())?;
        regular_file::check(&whole).map_err(|problem| problem.to_string())?;
        let found = sha256_of(&whole).map_err(|problem| problem.to_string())?;
        match fields.get(PIN_FIELD) {
            None => drop(fields.insert(PIN_FIELD.into(), found.into())),
            Some(Value::String(pin))
                if found.eq_ignore_ascii_case(pin.strip_prefix("sha256:").unwrap_or(pin)) => {}
            Some(pin) => {
                return Err(format!("its SHA-256 is {found}, and {pin} is needed; the file has changed"));
            }
        }
        let text = whole.to_str().ok_or("its path is no text in UTF-8")?;
        fields.insert(DATA_FIELD.into(), text.into());
        Ok(())
    }

    fn read(&mut self, path: &str) -> Result<String, String> {
        let file = regular_file::open(&self.folder.join(path)).map_err(|problem| problem.to_string())?;
        let mut bytes = Vec::new();
        file.take(self.left + 1).read_to_end(&mut bytes).map_err(|problem| problem.to_string())?;
        self.left = self.left.checked_sub(bytes.len() as u64).ok_or_else(|| {
            format!(
                "the files of one configuration may have {} KiB together, and it exceeds that",
                MAX_BYTES >> 10
            )
        })?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            format!("it is no text in UTF-8, from byte {at} on")
        })?;
        Ok(text_without_bom(text))
    }
}

fn file_of(value: &Value) -> Option<&str> {
    let fields = value.as_object().filter(|fields| fields.len() == 1)?;
    fields.get(FILE_FIELD)?.as_str()
}

fn data_of(value: &mut Value) -> Option<(String, &mut Map<String, Value>)> {
    let fields = value.as_object_mut()?;
    let path = fields.get(DATA_FIELD)?.as_str()?.to_owned();
    Some((path, fields))
}

/// Scans the files of data of a configuration, so that no device waits for it. Errors are left to the behaviours, which
/// know what they read.
pub fn scan_data(config: &Map<String, Value>) {
    let (whole, mut found) = (Value::Object(config.clone()), Vec::new());
    collect_data("", &whole, false, &mut found);
    if found.is_empty() {
        return;
    }
    let whole = DeviceConfig::new(whole).with_files(std::sync::Arc::new(SharedFiles));
    for (pointer, purpose) in found {
        let _ = whole.table(&pointer, purpose);
    }
}

/// Collects the paths of files of data below a value. A table next to a `kind`, as in the channel of a sensor, is one of
/// values.
fn collect_data(path: &str, value: &Value, has_kind: bool, found: &mut Vec<(String, Purpose)>) {
    match value {
        Value::Object(object) if object.contains_key(DATA_FIELD) => {
            found.push((path.to_owned(), if has_kind { Purpose::Values } else { Purpose::Records }));
        }
        Value::Object(object) => {
            for (name, value) in object {
                let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
                collect_data(&path, value, object.contains_key("kind"), found);
            }
        }
        Value::Array(items) => {
            for (at, value) in items.iter().enumerate() {
                collect_data(&format!("{path}/{at}"), value, false, found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_file_is_replaced_by_its_text_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("flow.csv"), "\u{feff}0,1\n5,2\n").unwrap();
        let mut config = json!({
            "channels": [{"name": "flow", "csv": {"$file": "flow.csv"}}],
            "own": {"$file": "flow.csv", "more": 1}, "number": {"$file": 3}, "file": {"file": "flow.csv"},
        });
        let mut expected = config.clone();
        expected["channels"][0]["csv"] = "0,1\n5,2\n".into();
        expand(config.as_object_mut().unwrap(), folder.path()).unwrap();
        assert_eq!(config, expected);
    }

    #[test]
    fn a_file_of_data_gets_its_whole_path_and_its_hash() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("flow.csv");
        std::fs::write(&path, "0,1\n").unwrap();
        let mut config =
            json!({"channels": [{"kind": "csv", "csv": {"$data": "flow.csv"}}], "text": {"$data": 7}});
        expand(config.as_object_mut().unwrap(), folder.path()).unwrap();
        let hash = sha256_of(&path).unwrap();
        assert_eq!(config["channels"][0]["csv"], json!({"$data": path, "sha256": hash}));
        assert_eq!(config["text"], json!({"$data": 7}));
        // The completed configuration works from another folder, as long as the file is the same.
        let completed = config.clone();
        expand(config.as_object_mut().unwrap(), Path::new("/")).unwrap();
        assert_eq!(config, completed);
        scan_data(config.as_object().unwrap());
        std::fs::write(&path, "0,2\n3,4\n").unwrap();
        let error = expand(config.as_object_mut().unwrap(), Path::new("/")).unwrap_err();
        assert_eq!(error.field, "channels.0.csv");
        assert!(
            error.to_string().contains(&format!("and \"{hash}\" is needed; the file has changed")),
            "{error}"
        );
        std::fs::remove_file(&path).unwrap();
        let error = expand(config.as_object_mut().unwrap(), Path::new("/")).unwrap_err().to_string();
        assert!(error.contains("No such file"), "{error}");
    }

    #[test]
    fn a_file_that_cannot_be_used_is_named_with_its_field() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
        write("large", &vec![b'a'; (1 << 20) + 1]);
        write("half", &vec![b'a'; 600 << 10]);
        write("latin", b"caf\xe9");
        let problem = |config: Value| {
            let error = expand_value(&mut config.clone(), folder.path()).unwrap_err();
            format!("{}: {error}", error.field)
        };
        for (name, words) in [
            ("none.csv", "No such file"),
            ("large", "may have 1024 KiB together"),
            ("latin", "no text in UTF-8, from byte 3 on"),
            (".", "directory"),
            ("/dev/zero", "it is a device file"),
        ] {
            let found = problem(json!({"channels": [{}, {"csv": {"$file": name}}]}));
            assert!(found.starts_with(&format!("channels.1.csv: cannot use the file `{name}`: ")), "{found}");
            assert!(found.contains(words), "{found}");
        }
        let both = problem(json!([{"$file": "half"}, {"$file": "half"}]));
        assert!(both.starts_with("1: ") && both.contains("together"), "{both}");
    }
}
