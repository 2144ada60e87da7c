//! Credentials of each device of a group: from templates, columns of the CSV file, or the files of a folder.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use wasmote_live::credentials::{ClientCertificate, CredentialStore, DeviceCredentials, Secret};
use wasmote_live::tls::{TlsError, TlsFile, read_client_certificate};

use super::IdentityProblem;
use super::names::{DeviceName, GroupNames};
use super::options::{IdentityOptions, PEM, TokenField};
use super::table::{Row, Table, read_limited};
use super::template::{Template, Visibility};
use crate::regular_file::without_bom;

/// Maximum length of a user name or a password in MQTT, in bytes.
const MAX_LOGIN: usize = 65_535;
/// Files of a device in a folder; `NAME` stands for the device.
const CERTIFICATES: [&str; 4] = ["NAME.crt", "NAME.pem", "NAME/tls.crt", "NAME/cert.pem"];
const KEYS: [&str; 4] = ["NAME.key", "NAME-key.pem", "NAME/tls.key", "NAME/key.pem"];
const USERNAMES: [&str; 2] = ["NAME.username", "NAME/username"];
const PASSWORDS: [&str; 2] = ["NAME.password", "NAME/password"];
const TOKENS: [&str; 2] = ["NAME.token", "NAME/token"];

/// Rules for the credentials of a group's devices.
pub struct CredentialRules {
    names: Arc<GroupNames>,
    username: Option<Template>,
    password: Option<Template>,
    password_file: Option<Template>,
    token: Option<Template>,
    token_file: Option<Template>,
    token_as: TokenField,
    certificate: Option<Template>,
    key: Option<Template>,
    folder: Option<PathBuf>,
    allow_expired: bool,
    needs_username: bool,
    /// The credentials of a running fleet.
    store: Arc<CredentialStore>,
}

/// Shows no template, because one of them may be a secret.
impl fmt::Debug for CredentialRules {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialRules").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// A device with everything that its values depend on.
struct Device<'a> {
    index: u32,
    row: Option<&'a Row>,
    name: DeviceName,
}

/// Bytes of a file, and the place of its name.
struct Content {
    place: String,
    /// The file; empty if the bytes stand in a cell.
    file: String,
    bytes: Vec<u8>,
}

impl CredentialRules {
    /// Reads the templates of a group; `None` if it has no credentials of its own. `needs_username` is true on MQTT 3.1.1,
    /// which allows no password without a user name.
    pub fn new(
        options: &IdentityOptions,
        names: &Arc<GroupNames>,
        needs_username: bool,
        store: Arc<CredentialStore>,
    ) -> Result<Option<Self>, IdentityProblem> {
        let columns = names.table.as_ref().map_or(&[][..], |table| &table.columns);
        let parse = |text: Option<&str>, field: &str, visibility| {
            let parsed = text.map(|text| Template::parse(text, columns, visibility)).transpose();
            parsed.map_err(|problem| IdentityProblem::new(field, problem))
        };
        let public = |text: &Option<String>, field: &str| parse(text.as_deref(), field, Visibility::Public);
        let secret = |text: Option<&str>, field: &str| parse(text, field, Visibility::Secret);
        let rules = Self {
            names: Arc::clone(names),
            username: public(&options.username, "username")?,
            password: secret(options.password.as_ref().map(|secret| secret.reveal()), "password")?,
            password_file: public(&options.password_file, "password_file")?,
            token: secret(options.token.as_ref().map(|secret| secret.reveal()), "token")?,
            token_file: public(&options.token_file, "token_file")?,
            token_as: options.token_as.unwrap_or_default(),
            certificate: public(&options.certificate, "certificate")?,
            key: public(&options.key, "key")?,
            folder: options.folder.clone(),
            allow_expired: options.allow_expired.unwrap_or_default(),
            needs_username,
            store,
        };
        if let Some(table) = &names.table {
            table
                .check_columns(|column| rules.columns().chain(names.columns()).any(|used| used == column))?;
        }
        let has_columns =
            |table: &Arc<Table>| super::table::CREDENTIALS.iter().any(|name| table.column(name).is_some());
        let is_set = rules.templates().next().is_some()
            || rules.folder.is_some()
            || names.table.as_ref().is_some_and(has_columns);
        if rules.key.is_some() && rules.certificate.is_none() {
            return Err(IdentityProblem::new("key", "a key needs its certificate; give `certificate`, too"));
        }
        Ok(is_set.then_some(rules))
    }

    fn templates(&self) -> impl Iterator<Item = &Template> {
        let all = [
            &self.username,
            &self.password,
            &self.password_file,
            &self.token,
            &self.token_file,
            &self.certificate,
            &self.key,
        ];
        all.into_iter().flatten()
    }

    fn columns(&self) -> impl Iterator<Item = usize> {
        self.templates().flat_map(Template::columns)
    }

    /// Reads the credentials of the device at a position of the group.
    pub fn load(&self, index: u32) -> Result<(DeviceName, DeviceCredentials), IdentityProblem> {
        let device = Device { index, row: self.names.row(index)?, name: self.names.get(index)? };
        let (username, password) = self.login(&device)?;
        let certificate = self.certificate(&device)?.map(Arc::new);
        let credentials = DeviceCredentials { username, password, certificate };
        if let Some(folder) = &self.folder
            && credentials.username.is_none()
            && credentials.password.is_none()
            && credentials.certificate.is_none()
        {
            let files = [CERTIFICATES[0], CERTIFICATES[1], PASSWORDS[0], TOKENS[0]]
                .map(|file| file_of(file, &device));
            let problem = format!(
                "{}it has no file for this device; expected `{}` or `{}` with `{}`, or `{}`, or `{}`",
                of(&device),
                files[0],
                files[1],
                file_of(KEYS[0], &device),
                files[2],
                files[3]
            );
            return Err(IdentityProblem::new(format!("folder {}", folder.display()), problem));
        }
        Ok((device.name, credentials))
    }

    /// Reads the credentials of these devices for the fleet. Returns whether one has a certificate.
    pub fn load_all(&self, devices: impl Iterator<Item = u32>) -> Result<bool, IdentityProblem> {
        let mut uses_certificates = false;
        for index in devices {
            let (name, credentials) = self.load(index)?;
            uses_certificates |= credentials.certificate.is_some();
            self.store.set(name.id.as_str(), Arc::new(credentials));
        }
        Ok(uses_certificates)
    }

    /// User name and password.
    fn login(&self, device: &Device<'_>) -> Result<(Option<Secret>, Option<Secret>), IdentityProblem> {
        let username = self.text(device, "username", &self.username, None, &USERNAMES)?;
        let password = self.text(
            device,
            "password",
            &self.password,
            Some(("password_file", &self.password_file)),
            &PASSWORDS,
        )?;
        let token =
            self.text(device, "token", &self.token, Some(("token_file", &self.token_file)), &TOKENS)?;
        let (username, password) = match (token, self.token_as) {
            (None, _) => (username, password),
            (Some(_), TokenField::Password) if password.is_some() => {
                return Err(self.problem(device, "token", "there is a password, too, and both are sent as the password; give one of them, or set `token_as = \"username\"`"));
            }
            (Some(_), TokenField::Username) if username.is_some() => {
                return Err(self.problem(device, "token", "there is a user name, too, and `token_as` sends the token as the user name; give one of them"));
            }
            (Some(token), TokenField::Password) => (username, Some(token)),
            (Some(token), TokenField::Username) => (Some(token), password),
        };
        if self.needs_username && password.is_some() && username.is_none() {
            let problem = "MQTT 3.1.1 allows no password without a user name; give `username`, or use MQTT 5";
            return Err(self.problem(device, "password", problem));
        }
        Ok((username, password))
    }

    fn problem(&self, device: &Device<'_>, field: &str, problem: impl fmt::Display) -> IdentityProblem {
        IdentityProblem::new(self.names.place(device.row, field), format!("{}{problem}", of(device)))
    }

    /// A text of a device: from the template, from the file that another template names, or from the folder.
    fn text(
        &self,
        device: &Device<'_>,
        field: &str,
        template: &Option<Template>,
        file: Option<(&str, &Option<Template>)>,
        in_folder: &[&str],
    ) -> Result<Option<Secret>, IdentityProblem> {
        let direct = self.value(device, field, template)?;
        let path = match file {
            Some((file_field, template)) => {
                self.path(device, file_field, template)?.map(|path| (file_field, path))
            }
            None => None,
        };
        let (place, text) = match (direct, path) {
            (Some(_), Some((file_field, _))) => {
                return Err(self.problem(
                    device,
                    field,
                    format_args!("there is `{file_field}`, too; give one of them"),
                ));
            }
            (Some(text), None) => (field.to_owned(), text),
            (None, Some((file_field, path))) => {
                (file_field.to_owned(), self.read_text(device, file_field, &path)?)
            }
            (None, None) => match self.find(device, in_folder) {
                Some(path) => ("folder".to_owned(), self.read_text(device, "folder", &path)?),
                None => return Ok(None),
            },
        };
        match text.len() {
            0 => Err(self.problem(device, &place, "it is empty")),
            1..=MAX_LOGIN => Ok(Some(text.into())),
            _ => Err(self.problem(device, &place, "it is longer than the 65,535 bytes that MQTT allows")),
        }
    }

    fn read_text(&self, device: &Device<'_>, field: &str, path: &Path) -> Result<String, IdentityProblem> {
        let bytes = self.read(device, field, path)?;
        let text = String::from_utf8(without_bom(&bytes).to_vec()).map_err(|_| {
            self.problem(device, field, format_args!("`{}` is not UTF-8 text", path.display()))
        })?;
        Ok(text.trim_end_matches(['\r', '\n']).to_owned())
    }

    fn read(&self, device: &Device<'_>, field: &str, path: &Path) -> Result<Vec<u8>, IdentityProblem> {
        read_limited(path, field).map_err(|error| {
            self.problem(device, field, format_args!("`{}` {}", path.display(), error.problem))
        })
    }

    /// A value of a device: from the template, or else from the column of the same name.
    fn value(
        &self,
        device: &Device<'_>,
        field: &str,
        template: &Option<Template>,
    ) -> Result<Option<String>, IdentityProblem> {
        let cell = || {
            let (table, row) = self.names.table.as_ref().zip(device.row)?;
            table.cell(row, field).map(str::to_owned)
        };
        let Some(template) = template else { return Ok(cell()) };
        let values =
            self.names.values(device.index, device.row, device.name.id.as_str(), device.name.client_id());
        template.render(&values).map(Some).map_err(|problem| self.problem(device, field, problem))
    }

    /// A path: from the template, or from the column, whose paths are relative to the CSV file.
    fn path(
        &self,
        device: &Device<'_>,
        field: &str,
        template: &Option<Template>,
    ) -> Result<Option<PathBuf>, IdentityProblem> {
        let is_cell = template.is_none();
        let value = self.value(device, field, template)?;
        let table = self.names.table.as_ref().filter(|_| is_cell);
        Ok(value.map(|path| table.map_or_else(|| path.clone().into(), |table| table.folder.join(&path))))
    }

    /// A file of the device in the folder.
    fn find(&self, device: &Device<'_>, candidates: &[&str]) -> Option<PathBuf> {
        let folder = self.folder.as_ref()?;
        candidates.iter().map(|file| folder.join(file_of(file, device))).find(|path| path.exists())
    }

    /// PEM: a cell or the file that it names, or a file of the folder.
    fn pem(
        &self,
        device: &Device<'_>,
        field: &str,
        template: &Option<Template>,
        in_folder: &[&str],
    ) -> Result<Option<Content>, IdentityProblem> {
        let place = self.names.place(device.row, field);
        let cell = self.value(device, field, template)?.filter(|text| text.trim_start().starts_with(PEM));
        if let Some(text) = cell {
            return Ok(Some(Content { place, file: String::new(), bytes: text.into_bytes() }));
        }
        let (place, path) = match self.path(device, field, template)? {
            Some(path) => (place, path),
            None => match self.find(device, in_folder) {
                Some(path) => ("folder".to_owned(), path),
                None => return Ok(None),
            },
        };
        let bytes = self.read(device, field, &path)?;
        Ok(Some(Content {
            place,
            file: format!(" `{}`", path.display()),
            bytes: without_bom(&bytes).to_vec(),
        }))
    }

    fn certificate(&self, device: &Device<'_>) -> Result<Option<ClientCertificate>, IdentityProblem> {
        let Some(chain) = self.pem(device, "certificate", &self.certificate, &CERTIFICATES)? else {
            return Ok(None);
        };
        let key = match self.pem(device, "key", &self.key, &KEYS)? {
            Some(key) => key,
            None if String::from_utf8_lossy(&chain.bytes).contains("PRIVATE KEY-----") => {
                Content { place: chain.place.clone(), file: chain.file.clone(), bytes: chain.bytes.clone() }
            }
            None => {
                let problem = "a certificate needs its key; give `key`, or put the key into the same file";
                return Err(IdentityProblem::new(chain.place, format!("{}{problem}", of(device))));
            }
        };
        let certificate = read_client_certificate(&chain.bytes, &key.bytes).map_err(|error| {
            let content = if error.file() == Some(TlsFile::Key) { &key } else { &chain };
            IdentityProblem::new(
                content.place.clone(),
                format!("{}{}", of(device), with_file(&error, &content.file)),
            )
        })?;
        match validity_problem(&certificate).filter(|_| !self.allow_expired) {
            None => Ok(Some(certificate)),
            Some(problem) => {
                let remedy = "renew it, or set `allow_expired` to show it to the broker";
                let problem = format!("{}the certificate{} {problem}; {remedy}", of(device), chain.file);
                Err(IdentityProblem::new(chain.place, problem))
            }
        }
    }
}

/// Why a certificate cannot be used now, such as `expired on 2024-01-01T00:00:00Z`.
pub fn validity_problem(certificate: &ClientCertificate) -> Option<String> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    match certificate.validity() {
        (_, end) if end < now => Some(format!("expired on {}", date(end))),
        (begin, _) if begin > now => Some(format!("is not valid before {}", date(begin))),
        _ => None,
    }
}

fn date(seconds: i64) -> String {
    // Years after 9999 have no RFC 3339 form.
    const LAST: u64 = 253_402_300_799;
    let seconds = u64::try_from(seconds).unwrap_or_default().min(LAST);
    humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(seconds)).to_string()
}

/// The error about a file, with its path after the name of the file.
fn with_file(error: &TlsError, file: &str) -> String {
    match error {
        TlsError::Unusable { file: role, problem } => format!("the {role}{file} {problem}"),
        other => other.to_string(),
    }
}

fn of(device: &Device<'_>) -> String {
    format!("device `{}`: ", device.name.id)
}

fn file_of(candidate: &str, device: &Device<'_>) -> String {
    candidate.replace("NAME", device.name.id.as_str())
}
