//! Set-ups of five guides, imported and run: what each guide tells its reader to try is tried, beside
//! the programs the guide installs where that can be done here. The same client gets the same answers.
//!
//! The set-ups are written down here; where the guides themselves lie beside the repository, their own
//! text is taken as well.
#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod names;
mod pair;
mod proxies;
mod site;
