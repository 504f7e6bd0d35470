//! The Debian package: what is in it, and that installing it starts nothing.

use std::path::Path;
use std::process::Command;

use support::Tool;

use super::{packaged, run};

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn the_package_has_everything_and_starts_nothing() {
    if !Tool::Program("dpkg-deb").available_or_skip() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut build = Command::new(packaged("deb/build"));
    build.arg(env!("CARGO_BIN_EXE_carillon")).arg(folder.path());
    // Packing a debug build well would take a minute.
    let (fine, said) = run(build.env("DPKG_DEB_COMPRESSOR_TYPE", "none"));
    assert!(fine, "{said}");
    let package = said.lines().find(|line| line.starts_with('/')).unwrap().to_owned();
    let tree = folder.path().join("tree");
    let (fine, said) = run(Command::new("dpkg-deb").arg("--raw-extract").arg(&package).arg(&tree));
    assert!(fine, "{said}");
    for path in [
        "lib/systemd/system/carillon.service",
        "usr/lib/sysusers.d/carillon.conf",
        "usr/share/man/man1/carillon.1.gz",
        "usr/share/man/man1/carillon-post-create.1.gz",
        "usr/share/bash-completion/completions/carillon",
        "usr/share/zsh/vendor-completions/_carillon",
        "usr/share/fish/vendor_completions.d/carillon.fish",
        "usr/share/carillon/prometheus/rules.yml",
        "usr/share/carillon/grafana/carillon.json",
        "usr/share/doc/carillon/copyright",
    ] {
        assert!(tree.join(path).is_file(), "{path} is missing");
    }
    let binary = tree.join("usr/bin/carillon");
    let (fine, said) = run(Command::new(&binary).arg("--version"));
    assert!(fine && said.contains(env!("CARGO_PKG_VERSION")), "{said}");
    // The settings that are installed are good, and are the operator's from then on.
    let settings = tree.join("etc/carillon/carillon.toml");
    let mut check = Command::new(&binary);
    let (fine, said) = run(check.args(["config", "check", "--config"]).arg(&settings));
    assert!(fine, "{said}");
    assert_eq!(read(&tree.join("DEBIAN/conffiles")), "/etc/carillon/carillon.toml\n");
    let (fine, list) = run(Command::new("dpkg-deb").arg("--contents").arg(&package));
    assert!(fine && list.lines().all(|line| line.contains("root/root")), "{list}");
    for script in ["postinst", "prerm", "postrm"] {
        let text = read(&tree.join("DEBIAN").join(script));
        for starts in ["systemctl start", "systemctl restart", "systemctl enable", "deb-systemd"] {
            let told = |line: &&str| line.contains(starts) && !line.trim().starts_with("echo");
            assert_eq!(text.lines().find(told), None, "{script}");
        }
        let (fine, said) = run(Command::new("sh").arg("-n").arg(packaged("deb").join(script)));
        assert!(fine, "{script}: {said}");
    }
}
