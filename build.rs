//! How the program is linked.

#[expect(clippy::disallowed_methods, reason = "cargo tells a build script its target by the environment")]
fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let target = |part: &str| std::env::var(format!("CARGO_CFG_TARGET_{part}")).unwrap_or_default();
    // Half a mebibyte of relocations becomes a few kibibytes. Linkers that are too old for it (GNU ld before 2.38)
    // ignore it; the program then needs glibc 2.36 (Debian 12), as what is built there often does anyway.
    if target("OS") == "linux" && target("ENV") == "gnu" {
        println!("cargo::rustc-link-arg-bin=pacer=-Wl,-z,pack-relative-relocs");
    }
}
