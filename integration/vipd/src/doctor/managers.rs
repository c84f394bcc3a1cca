//! Programs that would delete the virtual addresses, for they configure the interface as well.

use std::fs;
use std::path::Path;

use vocabulary::InterfaceName;
use vrrpd::io::culprit::managers;

use super::context::Context;
use super::report::Finding;

const ITEM: &str = "manager";

/// Looks for them at each interface that has virtual addresses.
pub(super) fn look(context: &Context) -> Vec<Finding> {
    context.interfaces().into_iter().flat_map(|name| on(context, name)).collect()
}

fn on(context: &Context, name: &InterfaceName) -> Vec<Finding> {
    let Some(interface) = context.network.interfaces.named(name) else { return Vec::new() };
    let link = fs::read_to_string(format!("/run/systemd/netif/links/{}", interface.index));
    let network = link.ok().and_then(|link| network_file(&link));
    let mut found = Vec::new();
    for (comm, advice) in managers(name, interface.index) {
        let kept = network.as_ref().is_some_and(|file| keeps(file));
        if comm == "systemd-network" && kept {
            found.push(Finding::ok(ITEM, name, "systemd-networkd keeps what others configure"));
        } else {
            found.push(judge(&comm, &advice, name, network.as_deref()));
        }
    }
    if found.is_empty() {
        found.push(Finding::ok(
            ITEM,
            name,
            "no program that runs here would take addresses from it",
        ));
    }
    found
}

fn judge(comm: &str, advice: &str, name: &InterfaceName, network: Option<&str>) -> Finding {
    let why = "when it configures the interface anew, it deletes addresses that it does not know; vrrpd adds them again, with a gap";
    match comm {
        "NetworkManager" => Finding::warning(ITEM, name, format!("{comm} runs, and manages it"), why)
            .remedy("# where the node's own address is static and configured elsewhere:")
            .remedy(format!("printf '[keyfile]\\nunmanaged-devices=interface-name:{name}\\n' | sudo tee /etc/NetworkManager/conf.d/90-vipd.conf && sudo nmcli general reload"))
            .remedy(format!("sudo nmcli device set {name} managed no")),
        "systemd-network" => {
            let file = network.map_or_else(|| format!("{name}.network"), base_name);
            let folder = format!("/etc/systemd/network/{file}.d");
            Finding::warning(ITEM, name, "systemd-networkd runs, and manages it", why)
                .remedy(format!("sudo mkdir -p {folder} && printf '[Network]\\nKeepConfiguration=yes\\n' | sudo tee {folder}/vipd.conf"))
                .remedy("sudo networkctl reload")
        }
        "keepalived" => {
            let why = "two programs must not keep the same address, or answer for one VRID";
            Finding::warning(ITEM, name, "keepalived runs", why)
                .remedy("# what it did: vipd import --keepalived /etc/keepalived/keepalived.conf")
                .remedy("sudo systemctl disable --now keepalived")
        }
        _ => Finding::warning(ITEM, name, format!("{comm} runs"), why).remedy(format!("# {advice}")),
    }
}

fn base_name(path: &str) -> String {
    Path::new(path).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// What systemd-networkd configures a link by, as it notes it.
fn network_file(link: &str) -> Option<String> {
    link.lines().find_map(|line| line.strip_prefix("NETWORK_FILE=")).map(str::to_owned)
}

/// Whether the file, or one of those beside it that change it, says to keep addresses.
fn keeps(file: &str) -> bool {
    let own = [fs::read_to_string(file).unwrap_or_default()];
    let folder = format!("/etc/systemd/network/{}.d", base_name(file));
    let others = fs::read_dir(folder).into_iter().flatten().flatten();
    let others = others.filter_map(|entry| fs::read_to_string(entry.path()).ok());
    own.into_iter().chain(others).any(|text| says_to_keep(&text))
}

fn says_to_keep(text: &str) -> bool {
    text.lines().any(|line| {
        let value = line.trim().strip_prefix("KeepConfiguration").map(str::trim_start);
        let value = value.and_then(|rest| rest.strip_prefix('=')).map(str::trim);
        matches!(value, Some("yes" | "static" | "true" | "1"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networkd_says_what_it_goes_by() {
        let link = "ADMIN_STATE=configured\nNETWORK_FILE=/etc/systemd/network/10-eth0.network\n";
        let file = network_file(link).unwrap();
        assert_eq!(base_name(&file), "10-eth0.network");
        assert_eq!(network_file("ADMIN_STATE=unmanaged\n"), None);
        for (text, keeps) in [
            ("[Network]\nKeepConfiguration=yes\n", true),
            ("[Network]\n KeepConfiguration = static\n", true),
            ("[Network]\nKeepConfiguration=no\n", false),
            ("[Network]\n#KeepConfiguration=yes\nDHCP=yes\n", false),
        ] {
            assert_eq!(says_to_keep(text), keeps, "{text}");
        }
    }
}
