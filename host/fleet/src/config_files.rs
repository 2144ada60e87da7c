//! Files in a behaviour's configuration: `{ "$file" = "flow.csv" }` stands for the text of the file.
//!
//! A behaviour has no access to files. The host reads them once, so results of experiments contain their text.

use std::io::Read;
use std::path::Path;

use serde_json::{Map, Value};

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
