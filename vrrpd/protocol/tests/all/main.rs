//! The election put to every story and to random ones, in one binary.

mod exhaustive;
mod simulated_lan;
