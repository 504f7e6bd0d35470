//! What several suites share: where the repository is, which real programs are at hand, and a
//! driver for the real binary. Must not know what Carillon does, or depend on it.

mod carillon;
pub mod media;
pub mod moto;
mod node;
mod parts;
pub mod runs;
pub mod smtp;

use std::path::{Path, PathBuf};

pub use carillon::Carillon;
pub use node::Node;
pub use parts::{REQUIRE, Tool, skip};

/// The folder that holds the root `Cargo.toml`.
pub fn repo_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors().nth(2).unwrap().to_path_buf()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_root_is_the_packages_own_folder() {
        let manifest = std::fs::read_to_string(super::repo_root().join("Cargo.toml")).unwrap();
        assert!(manifest.contains("name = \"carillon\""));
    }
}
