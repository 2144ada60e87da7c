//! The name and the client id of each device of a group.

use std::path::Path;
use std::sync::Arc;

use wasmote_mqtt::device_id::DeviceId;

use super::IdentityProblem;
use super::mac::MacAddress;
use super::options::{IdentityOptions, NameEntry, Names};
use super::table::{Row, Table, read_limited};
use super::template::{Template, Values, Visibility};
use crate::regular_file::without_bom;

/// Maximum length of a text in MQTT, in bytes.
const MAX_CLIENT_ID: usize = 65_535;

/// Name of a device, and its client id if that is another text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceName {
    /// The name.
    pub id: DeviceId,
    /// The client id.
    pub client_id: Option<Arc<str>>,
}

impl DeviceName {
    /// The device with this client id.
    fn of_client_id(client_id: &str) -> Self {
        let id = DeviceId::from_client_id(client_id);
        let client_id = (id.as_str() != client_id).then(|| client_id.into());
        Self { id, client_id }
    }

    /// The client id.
    pub fn client_id(&self) -> &str {
        self.client_id.as_deref().unwrap_or(self.id.as_str())
    }
}

/// Naming rules of a group.
#[derive(Clone, Debug)]
pub struct GroupNames {
    group: String,
    source: Source,
    name: Option<Template>,
    client_id: Option<Template>,
    first_index: u64,
    first_mac: MacAddress,
    /// The CSV file.
    pub table: Option<Arc<Table>>,
}

#[derive(Clone, Debug)]
enum Source {
    /// A prefix and the number, or the template of the name.
    Rule { prefix: String },
    /// The configured name of the only device.
    Fixed(DeviceId),
    /// A list with the places of its entries.
    Listed { shown: String, names: Arc<[(u64, DeviceName)]> },
    /// The rows of the table.
    Rows,
    /// The names of other rules, beside a table of its own.
    Of(Arc<GroupNames>),
}

impl GroupNames {
    /// Reads the files and templates of a group. `prefix` is the part of default names before the number, and `fixed` the
    /// configured name of the only device.
    pub fn new(
        options: &IdentityOptions,
        group: &str,
        prefix: String,
        fixed: Option<DeviceId>,
    ) -> Result<Self, IdentityProblem> {
        let both = |first: &str, second: &str| {
            let problem = format!(
                "it does not go with `{second}`, which also says how devices are called; give one of them"
            );
            Err(IdentityProblem::new(first, problem))
        };
        match (&options.names, &options.name, &options.file, &fixed) {
            (Some(_), Some(_), ..) => return both("names", "name"),
            (Some(_), _, Some(_), _) => return both("names", "file"),
            (Some(_), _, _, Some(_)) => return both("names", "--device-id"),
            (_, Some(_), _, Some(_)) => return both("name", "--device-id"),
            _ => {}
        }
        let table = options.file.as_ref().map(|path| Table::read(path, "file")).transpose()?.map(Arc::new);
        let columns = table.as_ref().map_or(&[][..], |table| &table.columns);
        let template = |text: &Option<String>, field: &str| {
            let parsed = text.as_deref().map(|text| Template::parse(text, columns, Visibility::Public));
            parsed.transpose().map_err(|problem| IdentityProblem::new(field, problem))
        };
        let (name, client_id) =
            (template(&options.name, "name")?, template(&options.client_id, "client_id")?);
        if name.as_ref().is_some_and(Template::uses_name) {
            return Err(IdentityProblem::new(
                "name",
                "`{name}` is the name itself; use `{index}`, `{mac}` or a column",
            ));
        }
        if client_id.as_ref().is_some_and(Template::uses_client_id) {
            return Err(IdentityProblem::new(
                "client_id",
                "`{client_id}` is the client id itself; use `{name}`",
            ));
        }
        let has_names = |table: &Table| table.column("name").or(table.column("client_id")).is_some();
        let source = match (&options.names, fixed, &table) {
            (Some(names), ..) => listed(names)?,
            (None, Some(id), _) => Source::Fixed(id),
            (None, None, Some(table)) if has_names(table) => Source::Rows,
            (None, None, _) => Source::Rule { prefix },
        };
        Ok(Self {
            group: group.to_owned(),
            source,
            name,
            client_id,
            first_index: options.first_index.unwrap_or_default(),
            first_mac: options.first_mac.unwrap_or_default(),
            table,
        })
    }

    /// The number of devices that the files name; `None` if there is no such limit.
    pub fn limit(&self) -> Option<u32> {
        let len = match (&self.source, &self.table) {
            (Source::Of(names), _) => return names.limit(),
            (Source::Listed { names, .. }, _) => names.len(),
            (Source::Fixed(_), _) => return None,
            (_, Some(table)) => table.rows.len(),
            (_, None) => return None,
        };
        Some(u32::try_from(len).unwrap_or(u32::MAX))
    }

    /// The same names, beside another CSV file for credentials. Its rows are found by their column `name`, or else by their
    /// positions.
    pub fn with_table(self, path: Option<&Path>) -> Result<Self, IdentityProblem> {
        let table = path.map(|path| Table::read(path, "file")).transpose()?.map(Arc::new);
        let (group, first_index, first_mac) = (self.group.clone(), self.first_index, self.first_mac);
        Ok(Self {
            group,
            source: Source::Of(Arc::new(self)),
            name: None,
            client_id: None,
            first_index,
            first_mac,
            table,
        })
    }

    /// The devices that files and lists name, as the field `names` has them; `None` if templates alone name the devices.
    /// Results contain them instead of the files.
    pub fn entries(&self) -> Option<Vec<NameEntry>> {
        let entry = |index| {
            let name = self.get(index).ok()?;
            let client_id = name.client_id().to_owned();
            Some(match name == DeviceName::of_client_id(&client_id) {
                true => NameEntry::ClientId(client_id),
                false => NameEntry::Both { name: name.id.to_string(), client_id },
            })
        };
        Some((0..self.limit()?).map_while(entry).collect())
    }

    /// Positions of the columns that the templates of names contain.
    pub fn columns(&self) -> impl Iterator<Item = usize> {
        self.name.iter().chain(&self.client_id).flat_map(Template::columns)
    }

    /// The row of a device: the one at its position, or the one with the configured name of the only device.
    pub fn row(&self, index: u32) -> Result<Option<&Row>, IdentityProblem> {
        let Some(table) = &self.table else { return Ok(None) };
        let wanted = match &self.source {
            Source::Fixed(id) => Some(id.clone()),
            Source::Of(names) => Some(names.get(index)?.id),
            _ => None,
        };
        if let Some(id) = wanted.filter(|_| table.column("name").is_some()) {
            let missing = || {
                let problem = format!("no row has the name `{id}` of this device; add one");
                IdentityProblem::new(format!("{}, column `name`", table.shown), problem)
            };
            return table.row_named(id.as_str()).map(Some).ok_or_else(missing);
        }
        let missing = || IdentityProblem::new(table.shown.clone(), too_few(table.rows.len(), "rows", index));
        table.rows.get(index as usize).map(Some).ok_or_else(missing)
    }

    /// The name of the device at a position of the group.
    pub fn get(&self, index: u32) -> Result<DeviceName, IdentityProblem> {
        if let Source::Of(names) = &self.source {
            return names.get(index);
        }
        let row = self.row(index)?;
        let named = match (&self.source, &self.name) {
            (Source::Fixed(id), _) => DeviceName { id: id.clone(), client_id: None },
            (Source::Listed { shown, names }, _) => match names.get(index as usize) {
                Some((_, name)) => name.clone(),
                None => {
                    return Err(IdentityProblem::new(shown.clone(), too_few(names.len(), "names", index)));
                }
            },
            (_, Some(name)) => {
                let text = name
                    .render(&self.values(index, row, "", ""))
                    .map_err(|problem| IdentityProblem::new("name", problem))?;
                checked(&text, || self.place(row, "name"))?
            }
            (Source::Rows | Source::Of(_), None) => self.row_name(row)?,
            (Source::Rule { prefix }, None) => {
                let text = format!("{prefix}{}", self.first_index + u64::from(index));
                checked(&text, || "name".to_owned())?
            }
        };
        self.with_client_id(index, row, named)
    }

    /// The name with the client id of the template or of the row.
    fn with_client_id(
        &self,
        index: u32,
        row: Option<&Row>,
        named: DeviceName,
    ) -> Result<DeviceName, IdentityProblem> {
        let cell = || self.table.as_ref().zip(row).and_then(|(table, row)| table.cell(row, "client_id"));
        let text = match &self.client_id {
            Some(template) => {
                let values = self.values(index, row, named.id.as_str(), "");
                Some(template.render(&values).map_err(|problem| IdentityProblem::new("client_id", problem))?)
            }
            None => cell().map(str::to_owned),
        };
        let Some(text) = text else { return Ok(named) };
        let client_id = checked(&text, || self.place(row, "client_id"))?;
        let is_name = client_id.client_id() == named.id.as_str();
        Ok(DeviceName { client_id: (!is_name).then(|| client_id.client_id().into()), id: named.id })
    }

    fn row_name(&self, row: Option<&Row>) -> Result<DeviceName, IdentityProblem> {
        let Some((table, row)) = self.table.as_ref().zip(row) else {
            return Err(IdentityProblem::new("file", "it has no row for this device"));
        };
        match (table.cell(row, "name"), table.cell(row, "client_id")) {
            (Some(name), _) => {
                let id = DeviceId::exact(name)
                    .map_err(|invalid| IdentityProblem::new(table.place(row, "name"), invalid.to_string()))?;
                Ok(DeviceName { id, client_id: None })
            }
            (None, Some(client_id)) => checked(client_id, || table.place(row, "client_id")),
            (None, None) => {
                let column = if table.column("name").is_some() { "name" } else { "client_id" };
                Err(IdentityProblem::new(
                    table.place(row, column),
                    "it is empty; every device needs a name or a client id",
                ))
            }
        }
    }

    /// Values of a device for templates.
    pub fn values<'a>(
        &'a self,
        index: u32,
        row: Option<&'a Row>,
        name: &'a str,
        client_id: &'a str,
    ) -> Values<'a> {
        Values {
            index: self.first_index + u64::from(index),
            mac: self.first_mac.plus(index.into()),
            group: &self.group,
            name,
            client_id,
            row,
        }
    }

    /// The place of a device's value, for errors.
    pub fn place(&self, row: Option<&Row>, field: &str) -> String {
        match self.table.as_ref().zip(row) {
            Some((table, row)) if table.column(field).is_some() => table.place(row, field),
            Some((table, row)) => format!("{field} ({} line {})", table.shown, row.line),
            None => field.to_owned(),
        }
    }

    /// The place of the name of a device, for errors.
    pub fn name_place(&self, index: u32) -> String {
        match &self.source {
            Source::Listed { shown, names } => match names.get(index as usize) {
                Some((line, _)) => format!("{shown} line {line}"),
                None => shown.clone(),
            },
            _ => self.place(self.row(index).ok().flatten(), "name"),
        }
    }
}

fn too_few(found: usize, what: &str, index: u32) -> String {
    format!(
        "it has {found} {what}, and device {} of the group needs one; add some, or set a smaller number of devices",
        u64::from(index) + 1
    )
}

/// The device with this client id, if MQTT allows it.
fn checked(client_id: &str, place: impl Fn() -> String) -> Result<DeviceName, IdentityProblem> {
    let problem = match client_id {
        "" => "it is empty; a device needs a name",
        text if text.len() > MAX_CLIENT_ID => "it is longer than the 65,535 bytes that MQTT allows",
        text if text.contains('\0') => "it contains the character U+0000, which MQTT forbids",
        text => return Ok(DeviceName::of_client_id(text)),
    };
    Err(IdentityProblem::new(place(), problem))
}

fn listed(names: &Names) -> Result<Source, IdentityProblem> {
    let (shown, names) = match names {
        Names::List(entries) => {
            ("names".to_owned(), entries.iter().zip(1..).map(entry).collect::<Result<Vec<_>, _>>()?)
        }
        Names::File(path) => {
            let shown = path.display().to_string();
            let bytes = read_limited(path, "names")?;
            let names = lines(without_bom(&bytes), &shown)?;
            (shown, names)
        }
    };
    if names.is_empty() {
        return Err(IdentityProblem::new(shown, "it has no name; write one client id a line"));
    }
    Ok(Source::Listed { shown, names: names.into() })
}

fn entry((entry, number): (&NameEntry, u64)) -> Result<(u64, DeviceName), IdentityProblem> {
    let place = || format!("names, entry {number}");
    let name = match entry {
        NameEntry::ClientId(client_id) => checked(client_id, place)?,
        NameEntry::Both { name, client_id } => {
            let id = DeviceId::exact(name)
                .map_err(|invalid| IdentityProblem::new(place(), invalid.to_string()))?;
            let client_id = checked(client_id, place)?;
            DeviceName {
                client_id: (client_id.client_id() != name).then(|| client_id.client_id().into()),
                id,
            }
        }
    };
    Ok((number, name))
}

/// The lines of a file, without empty ones.
fn lines(bytes: &[u8], shown: &str) -> Result<Vec<(u64, DeviceName)>, IdentityProblem> {
    let mut names = Vec::new();
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let place = || format!("{shown} line {number}");
        let text = std::str::from_utf8(line).map_err(|error| {
            let column = String::from_utf8_lossy(&line[..error.valid_up_to()]).chars().count() + 1;
            let problem = "it is not UTF-8, as MQTT requires; save the file as UTF-8";
            IdentityProblem::new(format!("{}, column {column}", place()), problem)
        })?;
        if !text.is_empty() {
            names.push((number, checked(text, place)?));
        }
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(options: &IdentityOptions) -> Result<GroupNames, String> {
        GroupNames::new(options, "pumps", "pumps-".into(), None)
            .map_err(|it| format!("{}: {}", it.place, it.problem))
    }

    fn get(names: &GroupNames, index: u32) -> (String, String) {
        let name = names.get(index).unwrap();
        (name.id.to_string(), name.client_id().to_owned())
    }

    fn file(content: impl AsRef<[u8]>) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    fn same(text: &str) -> (String, String) {
        (text.to_owned(), text.to_owned())
    }

    #[test]
    fn a_file_of_names_gives_the_exact_client_ids() {
        let file = file("\u{feff}sn 7/ü#\r\n\r\naa:bb:cc:dd:ee:ff\n\u{1f600}");
        let options = IdentityOptions { names: Some(Names::File(file.path().into())), ..Default::default() };
        let names = names(&options).unwrap();
        assert_eq!(names.limit(), Some(3));
        assert_eq!(get(&names, 0), ("sn_7_ü_".into(), "sn 7/ü#".into()));
        assert_eq!(get(&names, 1), same("aa:bb:cc:dd:ee:ff"));
        assert_eq!(get(&names, 2), ("_".into(), "\u{1f600}".into()));
        assert_eq!(names.name_place(1), format!("{} line 3", file.path().display()));
        let problem = names.get(3).unwrap_err().problem;
        assert!(problem.contains("it has 3 names, and device 4 of the group needs one"), "{problem}");
    }

    #[test]
    fn templates_number_devices_from_a_start() {
        let options = IdentityOptions {
            name: Some("sn-{index:06}".into()),
            first_index: Some(7),
            client_id: Some("{group}/{name}".into()),
            ..Default::default()
        };
        assert_eq!(get(&names(&options).unwrap(), 2), ("sn-000009".into(), "pumps/sn-000009".into()));
        let mac = IdentityOptions {
            name: Some("{MAC}".into()),
            first_mac: "00:1b:44:11:3a:ff".parse().ok(),
            ..Default::default()
        };
        assert_eq!(get(&names(&mac).unwrap(), 1), same("00:1B:44:11:3B:00"));
        let slashes = IdentityOptions { name: Some("plant/{index}".into()), ..Default::default() };
        assert_eq!(get(&names(&slashes).unwrap(), 3), ("plant_3".into(), "plant/3".into()));
        let start = IdentityOptions { first_index: Some(100), ..Default::default() };
        assert_eq!(get(&names(&start).unwrap(), 1), same("pumps-101"));
    }

    #[test]
    fn rows_name_devices_by_columns_or_templates() {
        let file = file("name,client_id,serial\na,c/1,S1\n,c/2,S2\nb,,S3\n");
        let options = IdentityOptions { file: Some(file.path().into()), ..Default::default() };
        let rows = names(&options).unwrap();
        assert_eq!(rows.limit(), Some(3));
        assert_eq!(get(&rows, 0), ("a".into(), "c/1".into()));
        assert_eq!(get(&rows, 1), ("c_2".into(), "c/2".into()));
        assert_eq!(get(&rows, 2), same("b"));
        let serial = IdentityOptions {
            name: Some("dev-{serial}".into()),
            client_id: Some("{serial}".into()),
            ..options
        };
        assert_eq!(get(&names(&serial).unwrap(), 2), ("dev-S3".into(), "S3".into()));
    }

    #[test]
    fn a_configured_name_finds_its_row() {
        let file = file("name,site\npod-a,1\npod-b,2\n");
        let options = IdentityOptions { file: Some(file.path().into()), ..Default::default() };
        let of = |id: &str| {
            GroupNames::new(&options, "pumps", String::new(), Some(DeviceId::new(id).unwrap())).unwrap()
        };
        assert_eq!(of("pod-b").row(0).unwrap().unwrap().line, 3);
        assert!(of("pod-c").row(0).unwrap_err().problem.contains("no row has the name `pod-c`"));
    }

    #[test]
    fn entries_give_the_same_names_without_the_files() {
        let file = file("name,client_id\na,c/1\nb,b\n");
        let rows = names(&IdentityOptions { file: Some(file.path().into()), ..Default::default() }).unwrap();
        let listed = IdentityOptions { names: rows.entries().map(Names::List), ..Default::default() };
        let listed = names(&listed).unwrap();
        assert_eq!([get(&rows, 0), get(&rows, 1)], [get(&listed, 0), get(&listed, 1)]);
        let rule = IdentityOptions { name: Some("x{index}".into()), ..Default::default() };
        assert_eq!(names(&rule).unwrap().entries(), None);
    }

    #[test]
    fn contradictions_and_texts_that_mqtt_forbids_are_refused() {
        let list = Some(Names::List(vec![NameEntry::ClientId("a".into())]));
        let both = IdentityOptions { names: list, name: Some("x".into()), ..Default::default() };
        assert!(names(&both).unwrap_err().starts_with("names: it does not go with `name`"));
        for (content, expected) in [
            (&b"a\nb\xff\n"[..], "line 2, column 2: it is not UTF-8"),
            (b"a\0b\n", "line 1: it contains the character U+0000"),
            (b"\n\n", "it has no name"),
        ] {
            let file = file(content);
            let options =
                IdentityOptions { names: Some(Names::File(file.path().into())), ..Default::default() };
            let found = names(&options).unwrap_err();
            assert!(found.contains(expected), "{found}");
        }
        let itself = IdentityOptions { name: Some("{name}".into()), ..Default::default() };
        assert!(names(&itself).unwrap_err().contains("the name itself"));
    }
}
