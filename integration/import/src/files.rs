//! Where included files come from.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::source::Source;

/// A file larger than this is no configuration, in bytes.
const SIZE_LIMIT: u64 = 1024 * 1024;

/// As many files may one pattern match.
const MATCH_LIMIT: usize = 1000;

/// Finds what an `include` names.
pub trait Files {
    /// The files that match `pattern`, in order; a relative one is looked for beside `from`.
    ///
    /// # Errors
    /// Why there is none: a pattern with wildcards may match nothing, a plain name may not.
    fn matching(&self, from: &Source, pattern: &str) -> Result<Vec<Arc<Source>>, String>;
}

/// The file system.
#[derive(Clone, Copy, Debug)]
pub struct Disk;

impl Files for Disk {
    fn matching(&self, from: &Source, pattern: &str) -> Result<Vec<Arc<Source>>, String> {
        let folder = Path::new(&from.name).parent().unwrap_or(Path::new(""));
        let whole = folder.join(pattern);
        let whole = whole.to_str().ok_or("its name is not UTF-8")?;
        let found = glob::glob(whole).map_err(|error| error.to_string())?;
        let mut sources = Vec::new();
        for path in found.take(MATCH_LIMIT) {
            let path = path.map_err(|error| error.to_string())?;
            sources.push(read(&path).map_err(|error| format!("{}: {error}", path.display()))?);
        }
        if sources.is_empty() && !pattern.contains(['*', '?', '[']) {
            return Err("there is no such file".to_owned());
        }
        Ok(sources)
    }
}

/// The file at `path`.
///
/// # Errors
/// It cannot be read, or is too large to be a configuration.
pub(super) fn read(path: &Path) -> std::io::Result<Arc<Source>> {
    read_from(&path.display().to_string(), std::fs::File::open(path)?)
}

/// What `reader` gives, to be called `name`.
///
/// # Errors
/// It cannot be read, or is too large to be a configuration.
pub(super) fn read_from(name: &str, reader: impl Read) -> std::io::Result<Arc<Source>> {
    let mut text = Vec::new();
    reader.take(SIZE_LIMIT + 1).read_to_end(&mut text)?;
    if text.len() as u64 > SIZE_LIMIT {
        return Err(std::io::Error::other(format!("it has more than {SIZE_LIMIT} bytes")));
    }
    // A comment in another encoding is no reason to refuse a file.
    Ok(Source::new(name, &String::from_utf8_lossy(&text)))
}
