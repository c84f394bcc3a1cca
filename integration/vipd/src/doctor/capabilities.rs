//! What the programs may do: those that run, or what this shell would start.

use rustix::process::Pid;
use rustix::thread::{CapabilitySet, capabilities};

use super::context::Context;
use super::report::Finding;
use super::unit;

const ITEM: &str = "capabilities";

/// What a program needs, and what for; without the essential ones nothing works.
struct Need {
    capability: CapabilitySet,
    name: &'static str,
    purpose: &'static str,
    essential: bool,
}

const VRRPD: [Need; 4] = [
    need(CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN", "to configure the virtual addresses", true),
    need(CapabilitySet::NET_RAW, "CAP_NET_RAW", "to send and hear adverts", true),
    need(CapabilitySet::SYS_NICE, "CAP_SYS_NICE", "to be on time on a busy host", false),
    need(CapabilitySet::IPC_LOCK, "CAP_IPC_LOCK", "not to be swapped out", false),
];

const LBPROXY: [Need; 1] =
    [need(CapabilitySet::NET_BIND_SERVICE, "CAP_NET_BIND_SERVICE", "to listen on low ports", true)];

const fn need(
    capability: CapabilitySet,
    name: &'static str,
    purpose: &'static str,
    essential: bool,
) -> Need {
    Need { capability, name, purpose, essential }
}

/// Looks at `vrrpd`'s, and at `lbproxy`'s where it has low ports to listen on.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    let mut found = Vec::new();
    if !context.config.routers.is_empty() {
        found.push(of("vrrpd", context.vrrpd.as_ref().map(|status| status.pid), &VRRPD, context));
    }
    if has_low_port(context) {
        let pid = context.lbproxy.as_ref().map(|status| status.pid);
        found.push(of("lbproxy", pid, &LBPROXY, context));
    }
    found
}

fn has_low_port(context: &Context) -> bool {
    let first_free = super::sysctl::number("net/ipv4/ip_unprivileged_port_start").unwrap_or(1024);
    let mut listen = context.config.proxies.iter().flat_map(|proxy| &proxy.listen);
    listen.any(|address| i64::from(address.port()) < first_free)
}

fn of(program: &'static str, pid: Option<u32>, needs: &[Need], context: &Context) -> Finding {
    let process = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
    if process.is_none() && !context.root {
        let why = "it does not run, and this user would not start it";
        return Finding::warning(ITEM, program, "not known", why)
            .remedy(format!("sudo vipd doctor --config {}", context.path.display()));
    }
    match capabilities(process) {
        Ok(has) => judge(program, process.is_some(), has.effective, needs),
        Err(error) => Finding::warning(
            ITEM,
            program,
            format!("not known: {error}"),
            "the kernel did not tell",
        ),
    }
}

fn judge(program: &str, runs: bool, has: CapabilitySet, needs: &[Need]) -> Finding {
    let lacks: Vec<&Need> = needs.iter().filter(|need| !has.contains(need.capability)).collect();
    let who = if runs { "it" } else { "started from here, it" };
    if lacks.is_empty() {
        let names: Vec<&str> = needs.iter().map(|need| need.name).collect();
        return Finding::ok(ITEM, program, format!("{who} has {}", names.join(", ")));
    }
    let names: Vec<&str> = lacks.iter().map(|need| need.name).collect();
    let seen = format!("{who} lacks {}", names.join(", "));
    let purposes: Vec<&str> = lacks.iter().map(|need| need.purpose).collect();
    let why = format!("it needs them {}", purposes.join(", "));
    let finding = if lacks.iter().any(|need| need.essential) {
        Finding::failure(ITEM, program, seen, why)
    } else {
        Finding::warning(ITEM, program, seen, why)
    };
    let line = format!("CapabilityBoundingSet={}", names.join(" "));
    let options: Vec<String> = lacks
        .iter()
        .map(|need| format!("--cap-add {}", need.name.trim_start_matches("CAP_")))
        .collect();
    finding
        .remedies(unit::with(&line))
        .remedy(format!("# in a container: docker run {} …", options.join(" ")))
}

#[cfg(test)]
mod tests {
    use super::super::report::Verdict;
    use super::*;

    #[test]
    fn what_is_lacking_is_named_with_its_purpose() {
        let all = CapabilitySet::all();
        let table = [
            (all, Verdict::Ok, "it has CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_NICE, CAP_IPC_LOCK"),
            (all - CapabilitySet::SYS_NICE, Verdict::Warning, "it lacks CAP_SYS_NICE"),
            (
                all - CapabilitySet::NET_RAW - CapabilitySet::IPC_LOCK,
                Verdict::Failure,
                "it lacks CAP_NET_RAW, CAP_IPC_LOCK",
            ),
        ];
        for (has, verdict, seen) in table {
            let found = judge("vrrpd", true, has, &VRRPD);
            assert_eq!((found.verdict, found.seen.as_str()), (verdict, seen));
        }
        let found = judge("vrrpd", true, all - CapabilitySet::NET_RAW, &VRRPD);
        assert_eq!(found.why.as_deref(), Some("it needs them to send and hear adverts"));
        let last = found.remedy.last().map(String::as_str);
        assert_eq!(last, Some("# in a container: docker run --cap-add NET_RAW …"));
    }
}
