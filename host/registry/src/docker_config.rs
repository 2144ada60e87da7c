//! Credentials for registries from Docker's configuration file, as `docker login` writes it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

/// Most bytes of the file.
const MAX_BYTES: u64 = 1 << 20;

/// A user name and a password.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub user: String,
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// The value of `Authorization` for them.
    pub fn basic(&self) -> String {
        format!("Basic {}", STANDARD.encode(format!("{}:{}", self.user, self.password)))
    }
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct File {
    auths: BTreeMap<String, Entry>,
    creds_store: Option<String>,
    cred_helpers: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: Option<String>,
    username: Option<String>,
    password: Option<String>,
    identitytoken: Option<String>,
}

/// Path of the file; `None` without a home folder.
pub(crate) fn path() -> Option<PathBuf> {
    let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
    let folder = variable("DOCKER_CONFIG").map(PathBuf::from);
    Some(folder.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".docker")))?.join("config.json"))
}

/// Finds the credentials for a registry in the file.
///
/// # Errors
/// The file is invalid, or it keeps them where this program does not read them.
pub(crate) fn find(registry: &str) -> Result<Option<Credentials>, String> {
    let Some(path) = path() else { return Ok(None) };
    let Ok(metadata) = std::fs::metadata(&path) else { return Ok(None) };
    let shown = path.display();
    if !metadata.is_file() || metadata.len() > MAX_BYTES {
        return Err(format!("`{shown}` is no file of Docker's configuration"));
    }
    let text = std::fs::read(&path).map_err(|problem| format!("cannot read `{shown}`: {problem}"))?;
    find_in(&text, registry).map_err(|problem| format!("`{shown}`: {problem}"))
}

fn find_in(text: &[u8], registry: &str) -> Result<Option<Credentials>, String> {
    // The position, but not the text: that may be a secret.
    let file: File = serde_json::from_slice(text)
        .map_err(|problem| format!("it is no configuration of Docker, at line {}", problem.line()))?;
    let names = names(registry);
    let helper = names.iter().find_map(|name| file.cred_helpers.get(name)).or(file.creds_store.as_ref());
    let entry = names.iter().find_map(|name| file.auths.get(name));
    let Some(entry) = entry.filter(|entry| entry.auth.is_some() || entry.username.is_some()) else {
        let entry_has_token = entry.is_some_and(|entry| entry.identitytoken.is_some());
        return match helper {
            Some(helper) => Err(format!(
                "the credentials for `{registry}` are with the helper `{helper}`, which this program does not run; put \
                 them into a configuration file of their own and name its folder in DOCKER_CONFIG: {{\"auths\": \
                 {{\"{registry}\": {{\"auth\": \"(base64 of USER:PASSWORD)\"}}}}}}"
            )),
            None if entry_has_token => Err(format!(
                "for `{registry}` it has an identity token, which is not supported; use a user name and a password or \
                 an access token in `auth`"
            )),
            None => Ok(None),
        };
    };
    let found = match (&entry.auth, &entry.username) {
        (Some(auth), _) => {
            let decoded = STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            decoded.and_then(|text| {
                let (user, password) = text.trim_end_matches('\0').split_once(':')?;
                Some((user.to_owned(), password.to_owned()))
            })
        }
        (None, Some(user)) => Some((user.clone(), entry.password.clone().unwrap_or_default())),
        (None, None) => None,
    };
    match found {
        Some((user, password)) => Ok(Some(Credentials { user, password })),
        None => Err(format!("`auths.{registry}.auth` is not the base64 of USER:PASSWORD")),
    }
}

/// The names under which Docker and other tools enter a registry.
fn names(registry: &str) -> Vec<String> {
    let mut names = vec![registry.to_owned(), format!("https://{registry}"), format!("http://{registry}")];
    for end in ["/", "/v1/", "/v2/"] {
        names.push(format!("https://{registry}{end}"));
    }
    if registry == "docker.io" {
        names.extend(
            ["https://index.docker.io/v1/", "index.docker.io", "registry-1.docker.io"].map(str::to_owned),
        );
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(file: &str, registry: &str) -> Result<Option<(String, String)>, String> {
        find_in(file.as_bytes(), registry).map(|found| found.map(|it| (it.user, it.password)))
    }

    #[test]
    fn credentials_are_found_under_the_names_that_tools_use() {
        let entry = format!("{{\"auth\": \"{}\"}}", STANDARD.encode("me:a:b"));
        for (name, registry) in [
            ("ghcr.io", "ghcr.io"),
            ("https://ghcr.io", "ghcr.io"),
            ("localhost:5000", "localhost:5000"),
            ("https://index.docker.io/v1/", "docker.io"),
        ] {
            let file = format!("{{\"auths\": {{\"{name}\": {entry}}}}}");
            assert_eq!(found(&file, registry), Ok(Some(("me".into(), "a:b".into()))), "{name}");
            assert_eq!(found(&file, "other.example"), Ok(None));
        }
        let plain = r#"{"auths": {"r": {"username": "u", "password": "p"}}, "unknown": 1}"#;
        assert_eq!(found(plain, "r"), Ok(Some(("u".into(), "p".into()))));
        assert!(!format!("{:?}", find_in(plain.as_bytes(), "r")).contains("\"p\""));
    }

    #[test]
    fn helpers_and_broken_files_are_refused_in_words_without_their_secrets() {
        for (file, words) in [
            (r#"{"credsStore": "desktop"}"#, "the helper `desktop`"),
            (r#"{"auths": {"r": {}}, "credHelpers": {"r": "ecr-login"}}"#, "the helper `ecr-login`"),
            (r#"{"auths": {"r": {"identitytoken": "secret"}}}"#, "an identity token"),
            (r#"{"auths": {"r": {"auth": "secret!"}}}"#, "`auths.r.auth` is not the base64"),
            (r#"{"auths": {"r": {"auth": secret}}}"#, "at line 1"),
        ] {
            let problem = found(file, "r").unwrap_err();
            assert!(problem.contains(words) && !problem.contains("secret"), "{file}: {problem}");
        }
    }
}
