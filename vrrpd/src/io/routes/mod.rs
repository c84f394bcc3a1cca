//! Routes and routing rules in the kernel. Nothing else changes them.
//!
//! Each bears our tag (`rtm_protocol`, `FRA_PROTOCOL`), so that what an earlier run left behind is
//! known for ours and others' are never touched.

mod connected;
mod own_source;

use std::io;
use std::net::IpAddr;
use std::num::NonZeroU32;

use config::{RouteConfig, RuleConfig, Scope};
use futures_util::TryStreamExt;
use netlink_packet_core::Nla;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{
    RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use nix::libc;
use rtnetlink::{Handle, IpVersion};
use vocabulary::Family;
use vrrp::reconciler::Routing;

use super::addresses::PROTOCOL;

const TAG: RouteProtocol = RouteProtocol::Other(PROTOCOL);

/// A change that the kernel refused.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// A route or rule could not be added.
    #[error("add the {what}: {source}")]
    Add {
        /// Which.
        what: String,
        /// The kernel's word.
        source: rtnetlink::Error,
    },
    /// A route or rule could not be removed.
    #[error("remove the {what}: {source}")]
    Remove {
        /// Which.
        what: String,
        /// The kernel's word.
        source: rtnetlink::Error,
    },
    /// The kernel's routes and rules could not be listed.
    #[error("list the routes of this host: {0}")]
    List(#[source] rtnetlink::Error),
    /// A netlink socket could not be opened.
    #[error("open a netlink socket: {0}")]
    Open(#[source] io::Error),
}

/// Changes routes and rules through netlink.
#[derive(Clone, Debug)]
pub struct Routes {
    netlink: Handle,
}

/// What the kernel has with our tag.
#[derive(Debug, Default)]
pub struct Ours {
    routes: Vec<RouteMessage>,
    rules: Vec<RuleMessage>,
}

impl Routes {
    /// Opens a connection to the kernel and drives it on the current tokio runtime.
    ///
    /// # Errors
    /// No netlink socket is to be had.
    pub fn open() -> Result<Self, RouteError> {
        // It checks dumps strictly: the kernel hands out what bears our tag and nothing else.
        let (connection, netlink, _) = rtnetlink::new_connection().map_err(RouteError::Open)?;
        tokio::spawn(connection);
        Ok(Self { netlink })
    }

    /// What the kernel has with our tag.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn ours(&self) -> Result<Ours, RouteError> {
        let mut ours = Ours::default();
        for (family, version) in
            [(AddressFamily::Inet, IpVersion::V4), (AddressFamily::Inet6, IpVersion::V6)]
        {
            let mut filter = RouteMessage::default();
            filter.header.address_family = family;
            filter.header.protocol = TAG;
            let routes = self.netlink.route().get(filter).execute();
            let routes: Vec<_> = routes.try_collect().await.map_err(RouteError::List)?;
            let rules = self.netlink.rule().get(version).execute();
            let rules: Vec<_> = rules.try_collect().await.map_err(RouteError::List)?;
            // A kernel before 4.20 does not filter.
            ours.routes.extend(routes.into_iter().filter(|route| route.header.protocol == TAG));
            let tag = RuleAttribute::Protocol(TAG);
            ours.rules.extend(rules.into_iter().filter(|rule| rule.attributes.contains(&tag)));
        }
        Ok(ours)
    }

    /// Adds a route or a rule; one like it from somebody else is in the way.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn add(&self, routing: &Routing) -> Result<(), RouteError> {
        let added = match self.insert(routing).await {
            // Of an IPv6 route whose source address went away the kernel keeps the rest.
            Err(error) if code(&error) == libc::EEXIST && routing.has_source() => {
                self.remove(routing).await?;
                self.insert(routing).await
            }
            added => added,
        };
        added.map_err(|source| RouteError::Add { what: routing.to_string(), source })
    }

    async fn insert(&self, routing: &Routing) -> Result<(), rtnetlink::Error> {
        match routing {
            Routing::Route(route, index) => {
                self.netlink.route().add(message(route, *index)).execute().await
            }
            Routing::Rule(rule) => {
                let mut request = self.netlink.rule().add();
                *request.message_mut() = rule_message(rule);
                request.execute().await
            }
        }
    }

    /// Has the kernel drop an IPv6 route of ours after so many seconds. From then on no packet follows it;
    /// it is listed for up to 30 s more.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn lease(&self, routing: &Routing, seconds: NonZeroU32) -> Result<(), RouteError> {
        let Routing::Route(route, index) = routing else { return Ok(()) };
        let mut message = message(route, *index);
        message.attributes.push(RouteAttribute::Expires(seconds.get()));
        let leased = self.netlink.route().add(message).replace().execute().await;
        leased.map_err(|source| RouteError::Add { what: routing.to_string(), source })
    }

    /// Removes a route or a rule; one that is gone already is no error.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove(&self, routing: &Routing) -> Result<(), RouteError> {
        let removed = match routing {
            Routing::Route(route, index) => {
                self.netlink.route().del(message(route, *index)).execute().await
            }
            Routing::Rule(rule) => self.netlink.rule().del(rule_message(rule)).execute().await,
        };
        let remove = |source| RouteError::Remove { what: routing.to_string(), source };
        removed.or_else(is_gone).map_err(remove)
    }

    /// Removes what bears our tag and is not among `kept`, nor gives clients of `addresses` their
    /// source or connects their networks; tells how many that were.
    ///
    /// # Errors
    /// What the kernel says.
    pub async fn remove_leftovers(
        &self,
        kept: &[Routing],
        addresses: &[IpAddr],
    ) -> Result<usize, RouteError> {
        let mut ours = self.ours().await?;
        ours.routes.retain(|route| {
            let address = own_source::address_of(route).map(IpAddr::V6);
            !address.is_some_and(|address| addresses.contains(&address))
                && !connected::serves(route, addresses)
        });
        let (mut routes, mut rules) = (Vec::new(), Vec::new());
        for routing in kept {
            match routing {
                Routing::Route(route, index) => routes.push(essence(&message(route, *index))),
                Routing::Rule(rule) => rules.push(rule_essence(&rule_message(rule))),
            }
        }
        let what = || "one of an earlier run".to_owned();
        let mut count = 0;
        for rule in ours.rules.into_iter().filter(|rule| !rules.contains(&rule_essence(rule))) {
            let removed = self.netlink.rule().del(rule).execute().await;
            let remove = |source| RouteError::Remove { what: what(), source };
            removed.or_else(is_gone).map_err(remove)?;
            count += 1;
        }
        for route in ours.routes.into_iter().filter(|route| !routes.contains(&essence(route))) {
            let removed = self.netlink.route().del(route).execute().await;
            let remove = |source| RouteError::Remove { what: what(), source };
            removed.or_else(is_gone).map_err(remove)?;
            count += 1;
        }
        Ok(count)
    }
}

impl Ours {
    /// Whether the kernel has exactly this.
    #[must_use]
    pub fn has(&self, routing: &Routing) -> bool {
        match routing {
            Routing::Route(route, index) => {
                let wanted = essence(&message(route, *index));
                self.routes.iter().any(|route| essence(route) == wanted)
            }
            Routing::Rule(rule) => {
                let wanted = rule_essence(&rule_message(rule));
                self.rules.iter().any(|rule| rule_essence(rule) == wanted)
            }
        }
    }
}

/// It is not there any more, or never was.
fn is_gone(error: rtnetlink::Error) -> Result<(), rtnetlink::Error> {
    let codes = [libc::ESRCH, libc::ENOENT, libc::ENODEV, libc::EADDRNOTAVAIL];
    if codes.contains(&code(&error)) { Ok(()) } else { Err(error) }
}

/// Why the kernel refused; 0 if it was not the kernel.
fn code(error: &rtnetlink::Error) -> i32 {
    if let rtnetlink::Error::NetlinkError(message) = error { -message.raw_code() } else { 0 }
}

fn message(route: &RouteConfig, index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    let header = &mut message.header;
    header.address_family = netlink_family(Family::of(route.destination.addr()));
    header.destination_prefix_length = route.destination.prefix_len();
    header.protocol = TAG;
    header.kind = RouteType::Unicast;
    header.scope = match route.scope {
        Scope::Global => RouteScope::Universe,
        Scope::Link => RouteScope::Link,
        Scope::Host => RouteScope::Host,
    };
    let attributes = &mut message.attributes;
    if route.destination.prefix_len() > 0 {
        attributes.push(RouteAttribute::Destination(route.destination.addr().into()));
    }
    attributes.push(RouteAttribute::Table(route.table));
    attributes.push(RouteAttribute::Oif(index));
    if route.metric > 0 {
        attributes.push(RouteAttribute::Priority(route.metric));
    }
    attributes.extend(route.via.map(|via| RouteAttribute::Gateway(via.into())));
    attributes.extend(route.source.map(|source| RouteAttribute::PrefSource(source.into())));
    message
}

/// What identifies a route, whether we are about to add it or the kernel tells of it.
fn essence(message: &RouteMessage) -> (AddressFamily, u8, RouteScope, Vec<RouteAttribute>) {
    let header = &message.header;
    let essential = |attribute: &&RouteAttribute| {
        matches!(
            attribute,
            RouteAttribute::Destination(_)
                | RouteAttribute::Table(_)
                | RouteAttribute::Oif(_)
                | RouteAttribute::Priority(_)
                | RouteAttribute::Gateway(_)
                | RouteAttribute::PrefSource(_)
        )
    };
    let mut attributes: Vec<_> = message.attributes.iter().filter(essential).cloned().collect();
    attributes.sort_by_key(Nla::kind);
    (header.address_family, header.destination_prefix_length, header.scope, attributes)
}

fn rule_message(rule: &RuleConfig) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = netlink_family(rule.family);
    message.header.action = RuleAction::ToTable;
    let attributes = &mut message.attributes;
    if let Some(from) = rule.from {
        message.header.src_len = from.prefix_len();
        attributes.push(RuleAttribute::Source(from.addr()));
    }
    if let Some(to) = rule.to {
        message.header.dst_len = to.prefix_len();
        attributes.push(RuleAttribute::Destination(to.addr()));
    }
    attributes.push(RuleAttribute::Table(rule.table));
    attributes.push(RuleAttribute::Priority(rule.priority));
    attributes.extend(rule.fwmark.map(RuleAttribute::FwMark));
    attributes.push(RuleAttribute::Protocol(TAG));
    message
}

/// What identifies a rule, whether we are about to add it or the kernel tells of it.
fn rule_essence(message: &RuleMessage) -> (AddressFamily, u8, u8, Vec<RuleAttribute>) {
    let header = &message.header;
    let essential = |attribute: &&RuleAttribute| {
        matches!(
            attribute,
            RuleAttribute::Source(_)
                | RuleAttribute::Destination(_)
                | RuleAttribute::Table(_)
                | RuleAttribute::Priority(_)
                | RuleAttribute::FwMark(_)
        )
    };
    let mut attributes: Vec<_> = message.attributes.iter().filter(essential).cloned().collect();
    attributes.sort_by_key(Nla::kind);
    (header.family, header.src_len, header.dst_len, attributes)
}

fn netlink_family(family: Family) -> AddressFamily {
    match family {
        Family::Ipv4 => AddressFamily::Inet,
        Family::Ipv6 => AddressFamily::Inet6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use vocabulary::InterfaceName;

    fn route() -> RouteConfig {
        RouteConfig {
            destination: "10.2.0.0/16".parse().unwrap(),
            via: Some("10.1.0.254".parse().unwrap()),
            interface: InterfaceName::try_from("eth1").unwrap(),
            table: 1000,
            metric: 50,
            source: None,
            scope: Scope::Global,
        }
    }

    /// What the kernel adds to a route does not make it another; what tells it from others does.
    #[test]
    fn a_route_is_known_again() {
        let mut told = message(&route(), 7);
        // A table beyond 255 is `RT_TABLE_COMPAT` in the header.
        told.header.table = 252;
        told.attributes.rotate_left(2);
        told.attributes.push(RouteAttribute::Mark(0));
        let ours = Ours { routes: vec![told], rules: vec![] };
        assert!(ours.has(&Routing::Route(route(), 7)));
        assert!(!ours.has(&Routing::Route(route(), 8)));
        assert!(!ours.has(&Routing::Route(RouteConfig { via: None, ..route() }, 7)));
        assert!(!ours.has(&Routing::Route(RouteConfig { metric: 0, ..route() }, 7)));
        assert!(!ours.has(&Routing::Route(RouteConfig { table: 254, ..route() }, 7)));
        let source = Some("10.1.0.1".parse().unwrap());
        assert!(!ours.has(&Routing::Route(RouteConfig { source, ..route() }, 7)));
        let wider = "10.0.0.0/8".parse().unwrap();
        assert!(!ours.has(&Routing::Route(RouteConfig { destination: wider, ..route() }, 7)));
    }

    #[test]
    fn a_rule_is_known_again() {
        let from = Some("10.1.0.0/24".parse().unwrap());
        let rule = RuleConfig {
            family: Family::Ipv4,
            from,
            to: None,
            fwmark: None,
            table: 100,
            priority: 1000,
        };
        let mut told = rule_message(&rule);
        told.header.table = 100;
        told.attributes.reverse();
        told.attributes.push(RuleAttribute::SuppressPrefixLen(u32::MAX));
        let ours = Ours { routes: vec![], rules: vec![told] };
        assert!(ours.has(&Routing::Rule(rule.clone())));
        assert!(!ours.has(&Routing::Rule(RuleConfig { to: from, from: None, ..rule })));
        assert!(!ours.has(&Routing::Rule(RuleConfig { fwmark: Some(1), ..rule })));
        assert!(!ours.has(&Routing::Rule(RuleConfig { family: Family::Ipv6, from: None, ..rule })));
    }
}
