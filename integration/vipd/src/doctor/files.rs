//! Who may read and change the files that the configuration names, and the sockets.

use std::fs::Metadata;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use config::{Auth, CheckKind, Dialect, Verify};
use nix::unistd::User;

use super::context::Context;
use super::report::Finding;
use crate::console::request::SOCKET;
use crate::trust::files::WHY;

const ITEM: &str = "file";

/// What a file is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    /// Says what root does; it may hold a password.
    Configuration { secret: bool },
    /// Of a check: anybody may read it.
    Public,
    /// Of a check: nobody else may read it.
    Secret,
    /// Whoever may write to it gives orders.
    Socket,
}

/// Looks at each of them.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    let is_missing = |name: &&String| !User::from_name(name).is_ok_and(|user| user.is_some());
    if let Some(name) = context.config.lbproxy.user.as_ref().filter(is_missing)
        && !context.config.proxies.is_empty()
    {
        let why = "the proxy runs as a user of its own instead";
        found.push(
            Finding::warning(ITEM, "lbproxy", format!("there is no user {name:?}"), why)
                .remedy(format!("sudo useradd --system --shell /usr/sbin/nologin {name}")),
        );
    }
    let mut faults = context.writable.len();
    for writable in &context.writable {
        let why = format!("{WHY}: vipd does not start with it, and takes no reload and no upgrade");
        let command = format!("sudo {}", writable.command());
        found.push(
            Finding::failure(ITEM, writable.path().display(), writable.fault(), why)
                .remedy(command),
        );
    }
    let files = files(context);
    for (path, role) in &files {
        let finding = one(path, *role);
        faults += usize::from(finding.is_some());
        found.extend(finding);
    }
    if faults == 0 {
        let seen = format!("owners and modes of {} files and sockets are right", files.len());
        found.push(Finding::ok(ITEM, "", seen));
    }
    found
}

fn files(context: &Context) -> Vec<(PathBuf, Role)> {
    let has_password = |dialect: Dialect| matches!(dialect, Dialect::V2(Auth::Pass(_)));
    let secret = context.config.routers.iter().any(|router| has_password(router.dialect));
    let own = std::iter::once(&context.path).chain(&context.included);
    let mut files: Vec<_> =
        own.map(|path| (path.clone(), Role::Configuration { secret })).collect();
    for proxy in &context.config.proxies {
        let check = &proxy.check;
        if let CheckKind::Tls(verify) | CheckKind::Https(_, verify) = &check.kind
            && let Verify::Authority { ca, .. } = verify
        {
            files.push((ca.clone(), Role::Public));
        }
        if let CheckKind::Http(http) | CheckKind::Https(http, _) = &check.kind {
            files.extend(http.token_file.clone().map(|token| (token, Role::Secret)));
        }
        if let Some(own) = &check.certificate {
            files.push((own.cert.clone(), Role::Public));
            files.push((own.key.clone(), Role::Secret));
        }
    }
    let socket = context.runtime_dir.join(SOCKET);
    if socket.symlink_metadata().is_ok() {
        files.push((socket, Role::Socket));
    }
    files.sort_by(|(one, _), (other, _)| one.cmp(other));
    files.dedup_by(|(one, _), (other, _)| one == other);
    files
}

/// What is wrong with a file. Root reads it, and hands it on.
fn one(path: &Path, role: Role) -> Option<Finding> {
    let shown = path.display();
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) => {
            let why = "it is needed at the start, and at each reload";
            return Some(
                Finding::failure(ITEM, shown, format!("cannot be looked at: {error}"), why)
                    .remedy(format!("ls -l {}", path.display())),
            );
        }
    };
    let fault = fault(role, metadata.mode(), is_socket(&metadata))?;
    let finding = match fault.failure {
        true => Finding::failure(ITEM, shown, fault.seen, fault.why),
        false => Finding::warning(ITEM, shown, fault.seen, fault.why),
    };
    Some(finding.remedy(format!("sudo {} {}", fault.command, path.display())))
}

fn is_socket(metadata: &Metadata) -> bool {
    metadata.file_type().is_socket()
}

struct Fault {
    failure: bool,
    seen: &'static str,
    why: &'static str,
    command: &'static str,
}

fn fault(role: Role, mode: u32, socket: bool) -> Option<Fault> {
    let fault = |failure, seen, why, command| Some(Fault { failure, seen, why, command });
    let (others_write, others_read) = (mode & 0o002 != 0, mode & 0o004 != 0);
    match role {
        Role::Configuration { secret: true } if others_read => {
            fault(false, "everyone may read it", "it holds a password", "chmod o-r")
        }
        Role::Secret if others_read => fault(
            true,
            "everyone may read it",
            "whoever has it is the check to the servers",
            "chmod o-rwx",
        ),
        Role::Public | Role::Secret if others_write => {
            let why = "whoever changes it decides which servers are trusted";
            fault(true, "everyone may change it", why, "chmod o-w")
        }
        Role::Socket if others_write || !socket => {
            let why = "whoever may write to it may ask; only root may order all the same";
            fault(false, "everyone may write to it", why, "chmod 660")
        }
        Role::Configuration { .. } | Role::Public | Role::Secret | Role::Socket => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_judged_by_what_a_file_is_for() {
        let config = |secret| Role::Configuration { secret };
        for (role, mode, expected) in [
            (config(false), 0o644, None),
            (config(true), 0o640, None),
            (config(true), 0o644, Some((false, "everyone may read it"))),
            (Role::Public, 0o644, None),
            (Role::Public, 0o666, Some((true, "everyone may change it"))),
            (Role::Secret, 0o640, None),
            (Role::Secret, 0o644, Some((true, "everyone may read it"))),
            (Role::Socket, 0o660, None),
            (Role::Socket, 0o666, Some((false, "everyone may write to it"))),
        ] {
            let found = fault(role, mode, true).map(|fault| (fault.failure, fault.seen));
            assert_eq!(found, expected, "{role:?} {mode:o}");
        }
    }
}
