//! The tests of `vipd` as a program, and of the house's rules, in one binary.

mod check;
mod clauses;
mod tidy;
