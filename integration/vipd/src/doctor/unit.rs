//! The systemd unit, where most limits of a node come from.

/// Commands that put `line` into the unit and restart it.
pub(super) fn with(line: &str) -> [String; 3] {
    [
        "sudo mkdir -p /etc/systemd/system/vipd.service.d".to_owned(),
        format!(
            "printf '[Service]\\n{line}\\n' | sudo tee /etc/systemd/system/vipd.service.d/{}.conf",
            key(line)
        ),
        "sudo systemctl daemon-reload && sudo systemctl restart vipd".to_owned(),
    ]
}

fn key(line: &str) -> &str {
    line.split_once('=').map_or(line, |(key, _)| key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_setting_has_a_file_of_its_own() {
        assert_eq!(
            with("LimitRTPRIO=50")[1],
            "printf '[Service]\\nLimitRTPRIO=50\\n' | sudo tee /etc/systemd/system/vipd.service.d/LimitRTPRIO.conf"
        );
    }
}
