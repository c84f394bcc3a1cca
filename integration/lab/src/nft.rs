//! Faults that need the `nft` program: for tests, which may ask for it. The drill does without.

use std::process::{Command, Stdio};

use crate::fault::Direction;
use crate::host::Host;
use crate::namespace::{Namespace, NamespaceError};
use crate::topology::Lab;

/// Why a packet filter was not set.
#[derive(Debug, thiserror::Error)]
pub enum NftError {
    /// There is no `nft`, or it could not be started.
    #[error(transparent)]
    Start(#[from] NamespaceError),
    /// It could not be waited for.
    #[error("wait for nft")]
    Wait(#[from] std::io::Error),
    /// It refused.
    #[error("nft refused\n{ruleset}\n{answer}")]
    Refused {
        /// What it was told.
        ruleset: String,
        /// What it said.
        answer: String,
    },
}

impl Namespace {
    /// Runs `nft` on a ruleset in the namespace.
    ///
    /// # Errors
    /// There is no `nft`, or it refused.
    pub fn nft(&self, ruleset: &str) -> Result<(), NftError> {
        let mut command = Command::new("nft");
        command.arg(ruleset).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let output = self.spawn(command)?.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        let answer = String::from_utf8_lossy(&output.stderr).into_owned();
        Err(NftError::Refused { ruleset: ruleset.to_owned(), answer })
    }
}

impl Lab {
    /// Loses this many of a hundred frames on a host's cable, in each direction and at random. Zero
    /// ends it.
    ///
    /// # Errors
    /// There is no `nft`, or it refused.
    pub fn lose(&self, host: &str, percent: u8) -> Result<(), NftError> {
        let lose = format!("numgen random mod 100 < {percent} drop");
        let rules = format!("iifname \"{host}\" {lose}\noifname \"{host}\" {lose}");
        let chain = format!("type filter hook forward priority 0\n{rules}");
        replace(self.switch(), "bridge", &format!("loss_{}", identifier(host)), "forward", &chain)
    }
}

impl Host {
    /// Drops what this host sends or receives of an IP protocol, such as 112 for VRRP.
    ///
    /// # Errors
    /// There is no `nft`, or it refused.
    pub fn drop_protocol(&self, protocol: u8, direction: Direction) -> Result<(), NftError> {
        let (hook, table) = filter(protocol, direction);
        let chain = format!("type filter hook {hook} priority 0\nmeta l4proto {protocol} drop");
        replace(self.namespace(), "inet", &table, hook, &chain)
    }

    /// Undoes [`drop_protocol`](Self::drop_protocol).
    ///
    /// # Errors
    /// There is no `nft`, or nothing was dropped.
    pub fn pass_protocol(&self, protocol: u8, direction: Direction) -> Result<(), NftError> {
        let (_, table) = filter(protocol, direction);
        self.namespace().nft(&format!("delete table inet {table}"))
    }
}

fn filter(protocol: u8, direction: Direction) -> (&'static str, String) {
    let hook = match direction {
        Direction::FromHost => "output",
        Direction::ToHost => "input",
    };
    (hook, format!("drop_{hook}_{protocol}"))
}

/// Makes a table with one chain, whether there was one of this name or not, in one transaction.
fn replace(
    namespace: &Namespace,
    family: &str,
    table: &str,
    name: &str,
    chain: &str,
) -> Result<(), NftError> {
    let name_of_table = format!("table {family} {table}");
    namespace.nft(&format!(
        "add {name_of_table}\ndelete {name_of_table}\n\
         {name_of_table} {{\nchain {name} {{\n{chain}\n}}\n}}"
    ))
}

/// A table's name has letters, digits and underscores.
fn identifier(host: &str) -> String {
    host.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}
