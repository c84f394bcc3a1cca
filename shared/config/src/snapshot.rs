//! A configuration with everything that it refers to, read at one moment: whoever gets it comes to the
//! same result, whatever has become of the files, and may be a user who could not read them.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::include::{Included, Surroundings, matching};
use super::problem::Problems;
use super::{CheckConfig, CheckKind, Config, HttpCheck, Loaded, Verify, parse_in, read_limited};

/// The text of a configuration, and what it had from its surroundings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    name: String,
    text: String,
    variables: BTreeMap<String, Option<String>>,
    included: BTreeMap<String, Result<Vec<Included>, String>>,
    /// The host's addresses at that moment.
    own: Vec<IpAddr>,
    files: Files,
}

impl Snapshot {
    /// Reads the file at `path`, what it includes and what it names of the environment; not the
    /// [`Files`] that its checks name. The host has the addresses `own`, if it is the node that the file
    /// is for.
    ///
    /// # Errors
    /// Everything that is wrong with it, each at its place.
    pub fn read(path: &Path, own: &[IpAddr]) -> Result<(Self, Loaded), Problems> {
        let name = path.display().to_string();
        let text = read_limited(path).map_err(|error| {
            let mut problems = Problems::new(&name, "");
            let title = format!("cannot read the configuration: {error}");
            problems.unreadable(title, "name it with --config FILE");
            problems
        })?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let (variables, included) = (RefCell::new(BTreeMap::new()), RefCell::new(BTreeMap::new()));
        let surroundings = Surroundings {
            variable: &|name| {
                let value = std::env::var(name).ok();
                variables.borrow_mut().insert(name.to_owned(), value.clone());
                value
            },
            files: &|pattern| {
                let found = matching(folder, pattern);
                included.borrow_mut().insert(pattern.to_owned(), found.clone());
                found
            },
            own,
        };
        let loaded = parse_in(&surroundings, &name, &text)?;
        let (variables, included) = (variables.take(), included.take());
        let own = own.to_vec();
        Ok((Self { name, text, variables, included, own, files: Files::default() }, loaded))
    }

    /// Checks it.
    ///
    /// # Errors
    /// Everything that is wrong with it, as [`read`](Self::read) said.
    pub fn parse(&self) -> Result<Loaded, Problems> {
        let unknown = || Err("it was not there".to_owned());
        let surroundings = Surroundings {
            variable: &|name| self.variables.get(name).cloned().flatten(),
            files: &|pattern| self.included.get(pattern).cloned().unwrap_or_else(unknown),
            own: &self.own,
        };
        parse_in(&surroundings, &self.name, &self.text)
    }

    /// The same with the files that its checks name.
    #[must_use]
    pub fn with_files(&self, files: Files) -> Self {
        Self { files, ..self.clone() }
    }

    /// The files that its checks name.
    #[must_use]
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// As bytes, for another process of the same release.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        // Maps with texts as keys always serialize.
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// From bytes.
    ///
    /// # Errors
    /// They are none of [`to_bytes`](Self::to_bytes).
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }
}

/// What is in the files that checks name: authorities, certificates, keys and tokens; or why that is not
/// known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Files(BTreeMap<PathBuf, Result<String, String>>);

impl Files {
    /// Reads the files that the checks of `config` name, each at most 1 MiB.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        Self::of_checks(config.proxies.iter().map(|proxy| &proxy.check))
    }

    /// Reads the files that checks name.
    #[must_use]
    pub fn of_checks<'a>(checks: impl Iterator<Item = &'a CheckConfig>) -> Self {
        // What is no text is outside of what matters in any of them.
        let read = |path: &PathBuf| {
            let text = super::read_bytes(path).map_err(|error| error.to_string());
            text.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        };
        Self(named(checks).into_iter().map(|path| (path.clone(), read(path))).collect())
    }

    /// What is in the file at `path`.
    ///
    /// # Errors
    /// It could not be read, in words.
    pub fn get(&self, path: &Path) -> Result<&str, String> {
        match self.0.get(path) {
            Some(Ok(text)) => Ok(text),
            Some(Err(words)) => Err(words.clone()),
            None => Err("it was not read".to_owned()),
        }
    }

    /// Where they are.
    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }
}

fn named<'a>(checks: impl Iterator<Item = &'a CheckConfig>) -> Vec<&'a PathBuf> {
    let mut paths = Vec::new();
    for check in checks {
        let (http, verify): (Option<&HttpCheck>, Option<&Verify>) = match &check.kind {
            CheckKind::Tcp => (None, None),
            CheckKind::Http(http) => (Some(http), None),
            CheckKind::Tls(verify) => (None, Some(verify)),
            CheckKind::Https(http, verify) => (Some(http), Some(verify)),
        };
        paths.extend(http.and_then(|http| http.token_file.as_ref()));
        if let Some(Verify::Authority { ca, .. }) = verify {
            paths.push(ca);
        }
        paths.extend(check.certificate.iter().flat_map(|own| [&own.cert, &own.key]));
    }
    paths
}

#[cfg(test)]
mod tests {
    use std::fs::write;

    use super::*;

    const FILE: &str = r#"include = ["more/*.toml"]
[[proxy]]
name = "api"
listen = ["127.0.0.1:6443"]
servers = ["192.0.2.1:6443"]
check = { https = "/readyz", ca = "CA", token_file = "TOKEN" }
"#;

    #[test]
    fn what_was_read_stays_what_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        std::fs::create_dir(at("more")).unwrap();
        let more = "[[proxy]]\nname = \"web\"\nlisten = [\"127.0.0.1:443\"]\n\
                    servers = [\"192.0.2.2:443\"]\ncheck = { tcp = true }\n";
        write(at("more/web.toml"), more).unwrap();
        let ca = at("ca.crt").display().to_string();
        let text = FILE.replace("CA", &ca).replace("TOKEN", &at("token").display().to_string());
        write(at("vipd.toml"), &text).unwrap();
        write(at("ca.crt"), "an authority").unwrap();

        let (snapshot, loaded) = Snapshot::read(&at("vipd.toml"), &[]).unwrap();
        let snapshot = snapshot.with_files(Files::of(&loaded.config));
        let snapshot = Snapshot::from_bytes(&snapshot.to_bytes()).unwrap();
        std::fs::remove_dir_all(dir.path()).unwrap();
        let again = snapshot.parse().unwrap();
        assert_eq!(again.config, loaded.config);
        assert_eq!(again.config.proxies.len(), 2);
        assert_eq!(snapshot.files().get(&at("ca.crt")), Ok("an authority"));
        let missing = "No such file or directory (os error 2)".to_owned();
        assert_eq!(snapshot.files().get(&at("token")), Err(missing));
        assert_eq!(snapshot.files().paths().count(), 2);
    }

    #[test]
    fn variables_come_along() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("vipd.toml");
        let text = FILE.replace("include = [\"more/*.toml\"]\n", "");
        // Some variable that is there.
        let text =
            text.replace("\"api\"", "\"api\" # ${NO}").replace("/readyz", "/${CARGO_PKG_NAME}");
        write(&path, text).unwrap();
        let (mut snapshot, loaded) = Snapshot::read(&path, &[]).unwrap();
        assert_eq!(snapshot.variables.len(), 1);
        assert_eq!(snapshot.parse().unwrap().config, loaded.config);
        snapshot.variables.clear();
        assert!(snapshot.parse().is_err());
    }
}
