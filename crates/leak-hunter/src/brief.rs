//! What the driver tells the hunter, as a file of lines:
//!
//! ```text
//! needle <class> <key in hex> <masked in hex> <name, to the end of the line>
//! closed-port <port> <service>       must not answer from inside
//! neighbour <address:port>           another container that must not answer
//! azure-devops <url>                 the organization
//! link-local yes                     in Azure: ask 169.254.169.254 and 168.63.129.16 too
//! ```
//!
//! Of the classes `self` and `earlier-job` there is one needle each that holds the mark as it is.

use std::path::Path;

use anyhow::{Context as _, Result, bail};

use crate::needles::Needle;

/// The class of the hunter's own canary.
pub(crate) const SELF: &str = "self";
/// The class of what an earlier job left.
pub(crate) const EARLIER_JOB: &str = "earlier-job";

/// What to look for and where.
#[derive(Debug, Default)]
pub(crate) struct Brief {
    pub(crate) needles: Vec<Needle>,
    pub(crate) closed_ports: Vec<(u16, String)>,
    pub(crate) neighbours: Vec<String>,
    pub(crate) azure_devops: Option<String>,
    pub(crate) ask_link_local: bool,
}

impl Brief {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs_err::read_to_string(path)?;
        let mut brief = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            brief.take(line).with_context(|| format!("read a line of `{}`", path.display()))?;
        }
        Ok(brief)
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let (word, rest) = line.split_once(' ').context("a line has a word and a value")?;
        match word {
            "needle" => {
                let mut parts = rest.splitn(4, ' ');
                let mut next = || parts.next().context("a needle has class, key, masked bytes and name");
                let (class, key, masked, name) = (next()?, next()?, next()?, next()?);
                let needle = Needle::new(name, class, bytes(key)?, bytes(masked)?);
                self.needles.push(needle.context("a needle has four bytes at least, and a key as long")?);
            }
            "closed-port" => {
                let (port, service) = rest.split_once(' ').context("a port has a name")?;
                self.closed_ports.push((port.parse()?, service.to_owned()));
            }
            "neighbour" => self.neighbours.push(rest.to_owned()),
            "link-local" => self.ask_link_local = rest == "yes",
            "azure-devops" => self.azure_devops = Some(rest.to_owned()),
            other => bail!("unknown word `{other}`"),
        }
        Ok(())
    }

    /// The mark that the job before leaves.
    pub(crate) fn earlier_mark(&self) -> String {
        self.mark(EARLIER_JOB)
    }

    /// The canary that the hunter plants for itself.
    pub(crate) fn own_mark(&self) -> String {
        self.mark(SELF)
    }

    fn mark(&self, class: &str) -> String {
        self.needles.iter().find(|needle| needle.class == class).map(Needle::unmasked).unwrap_or_default()
    }
}

fn bytes(hex: &str) -> Result<Vec<u8>> {
    if !hex.is_ascii() || !hex.len().is_multiple_of(2) {
        bail!("not hexadecimal");
    }
    (0..hex.len()).step_by(2).map(|at| Ok(u8::from_str_radix(&hex[at..at + 2], 16)?)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_become_a_brief() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("brief");
        fs_err::write(
            &path,
            "needle self 0101010101 6060606061 own mark\nclosed-port 8443 the registry\nneighbour 10.0.0.9:4711\n",
        )
        .unwrap();
        let brief = Brief::read(&path).unwrap();
        assert_eq!(brief.own_mark(), "aaaa`");
        assert_eq!(brief.needles[0].name, "own mark");
        assert_eq!(brief.closed_ports, [(8443, "the registry".to_owned())]);
        for bad in ["needle self 01 60 short", "needle self 0101 x", "closed-port x y", "unknown 1"] {
            fs_err::write(&path, bad).unwrap();
            assert!(Brief::read(&path).is_err(), "{bad}");
        }
    }
}
