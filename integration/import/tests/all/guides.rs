//! The guides' own set-ups, where they are at hand beside the repository.

use std::path::Path;

use import::{Disk, import};

use super::corpus::{beside, given};

/// The fenced blocks of a guide that hold `word`.
fn blocks(guide: &Path, word: &str) -> Vec<String> {
    let text = std::fs::read_to_string(guide).unwrap();
    let fenced = text.split("```").skip(1).step_by(2);
    let bodies = fenced.filter_map(|block| block.split_once('\n').map(|(_, body)| body));
    bodies.filter(|body| body.contains(word)).map(str::to_owned).collect()
}

#[test]
fn the_guides_set_ups_import_without_loss() {
    let Some(seeds) = beside("seeds") else { return };
    let kinds =
        [("haproxy", "default_backend"), ("keepalived", "vrrp_instance"), ("nginx", "upstream ")];
    let mut found = [0, 0, 0];
    for entry in std::fs::read_dir(seeds).unwrap() {
        let guide = entry.unwrap().path();
        for (count, (program, word)) in found.iter_mut().zip(kinds) {
            for block in blocks(&guide, word) {
                let imported = import(&given(program, program, &block), &Disk);
                let lossless = imported.toml.is_some() && !imported.report.loses();
                assert!(lossless, "{}:\n{}", guide.display(), imported.report);
                *count += 1;
            }
        }
    }
    assert_eq!(found, [3, 2, 1]);
}
