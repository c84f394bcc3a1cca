//! What is wrong with a value: of which kind it is, and what it must be.

use std::fmt;

use super::code::Code;
use vocabulary::address::VirtualAddressError;
use vocabulary::endpoint::EndpointError;
use vocabulary::interface::InterfaceNameError;
use vocabulary::interval::AdvertIntervalError;
use vocabulary::name::NameError;
use vocabulary::priority::PriorityError;
use vocabulary::vrid::VridError;

/// A value's fault; its words continue "`vrid` is 300, but …".
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: Code,
    words: String,
}

impl Fault {
    pub(super) fn new(code: Code, words: impl Into<String>) -> Self {
        Self { code, words: words.into() }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

macro_rules! of_kind {
    ($($error:ty => $code:ident;)*) => {
        $(impl From<$error> for Fault {
            fn from(error: $error) -> Self {
                Self::new(Code::$code, error.to_string())
            }
        })*
    };
}

of_kind! {
    VridError => Number;
    PriorityError => Number;
    AdvertIntervalError => Time;
    NameError => NotAName;
    InterfaceNameError => NotAnInterface;
    VirtualAddressError => Address;
    EndpointError => Address;
}
