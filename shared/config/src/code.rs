//! Kinds of problems, each with a code that never changes its meaning.
//!
//! `docs/codes.md` explains each; `vipd check --explain` shows it.

use std::fmt;

use super::Severity;

/// The page that explains every code under a heading of its own.
const EXPLANATIONS: &str = include_str!("../../../docs/codes.md");

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        /// A kind of problem: `E…` makes a file unusable, `W…` may be allowed in it.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $($(#[$doc])* $name,)*
        }

        impl Code {
            /// Every code, in the order of their explanations.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// As it is written: a letter and four digits.
            #[must_use]
            pub fn text(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)*
                }
            }
        }
    };
}

codes! {
    /// A file that cannot be read.
    Unreadable = "E0001";
    /// What is not TOML.
    NotToml = "E0002";
    /// A key that does not exist.
    UnknownKey = "E0003";
    /// A value of another type.
    WrongType = "E0004";
    /// A key that has to be there.
    MissingKey = "E0005";
    /// A list that needs an element.
    EmptyList = "E0006";
    /// A file that configures nothing.
    NothingConfigured = "E0007";
    /// `allow` with something that is no warning.
    NotAllowable = "E0008";
    /// A file that cannot be included.
    NotIncluded = "E0009";
    /// A variable that the environment does not have.
    NoVariable = "E0010";
    /// A number out of its range.
    Number = "E0101";
    /// A time that is none, or out of its range.
    Time = "E0102";
    /// An address, a network or an endpoint that is none, or not one for this place.
    Address = "E0103";
    /// None of a few words.
    Word = "E0104";
    /// A name that cannot be one.
    NotAName = "E0105";
    /// A name that no interface can have.
    NotAnInterface = "E0106";
    /// A path that cannot be one here.
    Path = "E0107";
    /// A text that must not be empty.
    EmptyText = "E0108";
    /// A name that another table has.
    NameTaken = "E0201";
    /// A virtual router that another table has.
    VridTaken = "E0202";
    /// RFC 9568 §5.2.9.
    NotLinkLocal = "E0203";
    /// Two addresses that belong together, of different families.
    OtherFamily = "E0204";
    /// What IPv6 does not have.
    NotForIpv6 = "E0205";
    /// What this version of VRRP does not have.
    NotInVersion = "E0206";
    /// More addresses than an advert holds.
    TooManyAddresses = "E0207";
    /// An address, route or rule that stands there already.
    StandsTwice = "E0208";
    /// A rule without a condition.
    MatchesEverything = "E0209";
    /// Times of announcements that are not in order.
    AnnounceTimes = "E0210";
    /// `preempt_delay` of who never preempts.
    NeverPreempts = "E0211";
    /// A virtual MAC address that cannot be.
    VirtualMac = "E0212";
    /// A virtual address that no host can have, by its prefix.
    NotOfAHost = "E0213";
    /// A source or peer that is not one of two nodes.
    NotBetweenNodes = "E0214";
    /// A virtual address that another router has.
    AddressTaken = "E0215";
    /// A route through an address of the node itself.
    RouteThroughItself = "E0216";
    /// A name in `track` that stands for nothing.
    NotTracked = "E0301";
    /// A `[[track]]` table that does not watch one thing.
    WatchesNotOne = "E0302";
    /// A key of another kind of tracker.
    NotOfTracker = "E0303";
    /// A gateway whose interface is not clear.
    GatewayInterface = "E0304";
    /// A gateway that is the node itself.
    GatewayIsItself = "E0305";
    /// An address that another proxy listens on.
    ListenTaken = "E0401";
    /// A server that is there already.
    ServerTwice = "E0402";
    /// Servers of which none serves in ordinary times.
    NobodyServes = "E0403";
    /// A queue that nobody ever waits in.
    NobodyWaits = "E0404";
    /// A check of several kinds.
    CheckNotOne = "E0405";
    /// A key of another kind of check.
    NotOfCheck = "E0406";
    /// An authority for who asks for none.
    Unverified = "E0407";
    /// A PROXY header taken from anybody.
    TrustsEverybody = "E0408";
    /// A route that leads nowhere.
    LeadsNowhere = "E0409";
    /// What no connection gets to, for a route takes all.
    NeverReached = "E0410";
    /// A time limit for a name that nobody wants to know.
    NoNameWanted = "E0411";
    /// Servers that shall be as ones that there are not.
    FollowsNobody = "E0412";
    /// Weights that nobody looks at.
    WeighsNothing = "E0413";
    /// A grace for connections that nobody ends.
    NothingEnds = "E0414";
    /// A server that leads back to the proxy.
    ServesItself = "E0415";
    /// A script that cannot run on this host.
    ProgramUnusable = "E0501";
    /// A file that others than root may write, where root would go by it.
    WritableByOthers = "E0502";
    /// A pair's nodes of different VRIDs.
    PairVrid = "E0601";
    /// Of different versions.
    PairVersion = "E0602";
    /// Of different intervals in version 2.
    PairInterval = "E0603";
    /// Of different passwords.
    PairPassword = "E0605";
    /// Of different forms of checksum.
    PairChecksum = "E0606";
    /// Unicast peers that do not name each other.
    PairPeers = "E0607";
    /// Of one and the same source.
    PairSource = "E0608";
    /// `allow` of a warning that does not arise.
    AllowsNothing = "W0001";
    /// An idle timeout that ends the watches of a Kubernetes API.
    ShortIdle = "W0101";
    /// A check of `/healthz`.
    Healthz = "W0102";
    /// A check over TLS that takes any certificate.
    VerifiesNothing = "W0103";
    /// A port that outgoing connections use.
    EphemeralPort = "W0104";
    /// A port of Kubernetes' NodePort services.
    NodePort = "W0105";
    /// An address and port that another proxy's are a part of.
    ListensOverlap = "W0106";
    /// Networks of which no client is served.
    NobodyAllowed = "W0107";
    /// A virtual address as the source of connections to a server.
    VirtualSource = "W0108";
    /// Monitoring at a virtual address.
    VirtualMonitoring = "W0109";
    /// A route for a port that is not listened on.
    PortNotListened = "W0110";
    /// Values that stand in guides.
    CopiedDefaults = "W0201";
    /// A password of which only the beginning counts.
    LongPassword = "W0202";
    /// Weights that move nothing.
    LightWeights = "W0203";
    /// Tracking beside `preempt = false`.
    TracksInVain = "W0204";
    /// An address where the adverts are not.
    OtherInterface = "W0205";
    /// Adverts faster than machines are steady.
    HastyInterval = "W0206";
    /// A virtual address that leads to nobody, and a proxy that listens elsewhere.
    NobodyListens = "W0207";
    /// A router that does not follow the proxy at its addresses.
    Unmoved = "W0208";
    /// A peer that is the node itself.
    OwnPeer = "W0209";
    /// A hook that cannot run on this host.
    HookUnusable = "W0501";
    /// A file that others than root may write: root would not go by it.
    WouldBeRefused = "W0502";
    /// A pair's nodes of different intervals in version 3.
    PairPace = "W0601";
    /// Of equal priorities.
    PairPriority = "W0602";
    /// A failure that never moves the addresses from the one to the other.
    PairUnmoved = "W0603";
    /// A router that only one of them has.
    PairLonely = "W0604";
    /// A pair whose virtual addresses differ.
    PairAddresses = "W0605";
    /// A pair of which one node does not listen where the other does.
    PairListens = "W0606";
}

impl Code {
    /// The code that is written `text`, in either case.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.text().eq_ignore_ascii_case(text))
    }

    /// Whether a file with such a problem can be used.
    #[must_use]
    pub fn severity(self) -> Severity {
        if self.text().starts_with('E') { Severity::Error } else { Severity::Warning }
    }

    /// What is behind it and what to do, in Markdown, its heading first.
    #[must_use]
    pub fn explanation(self) -> &'static str {
        let heading = format!("\n## {}: ", self.text());
        // A test sees that each has its section.
        let start = EXPLANATIONS.find(&heading).map_or(EXPLANATIONS.len(), |at| at + 1);
        let section = &EXPLANATIONS[start..];
        section.split("\n## ").next().unwrap_or_default().trim_end()
    }

    /// Whether it arises between the files of a pair.
    #[must_use]
    pub fn is_of_pair(self) -> bool {
        self.text()[1..].starts_with("06")
    }

    /// Whether one file tells by itself that it arises: others depend on the host or on a second file.
    pub(super) fn is_of_one_file(self) -> bool {
        let of_host = matches!(
            self,
            Self::HookUnusable | Self::WouldBeRefused | Self::NobodyListens | Self::OwnPeer
        );
        !of_host && !self.is_of_pair()
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_and_every_explanation_has_a_code() {
        let headings = EXPLANATIONS.lines().filter_map(|line| line.strip_prefix("## "));
        let explained: Vec<&str> =
            headings.map(|heading| heading.split(':').next().unwrap()).collect();
        let codes: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
        assert_eq!(explained, codes);
        for code in Code::ALL {
            let explanation = code.explanation();
            assert!(explanation.lines().count() >= 3, "{code} is explained in a word");
        }
    }

    #[test]
    fn codes_are_found_by_what_they_are_written_as() {
        assert_eq!(Code::from_text("e0103"), Some(Code::Address));
        assert_eq!(Code::from_text("E9999"), None);
        let mut texts: Vec<&str> = Code::ALL.iter().map(|code| code.text()).collect();
        texts.sort_unstable();
        texts.dedup();
        assert_eq!(texts.len(), Code::ALL.len());
    }
}
