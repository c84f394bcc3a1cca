//! The tests of the configuration compiler, in one binary.

mod configs;
mod hostile;
mod schema;
