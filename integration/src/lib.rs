//! The front door's library: what `vipd` and the tests of whole nodes share.

pub mod lab;
