//! The layers of `docs/architecture.md`: who may import what.
//!
//! A layer is a top-level module with everything below it. The tests read the sources as
//! text, so that a breach is named with its file, line and rule, and so that a path written
//! inline counts like one in a `use`. Code under `#[cfg(test)]` may import what it likes.

mod source;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use source::{Import, Source, test_modules};

/// What one layer may import, beside itself and std.
struct Layer {
    name: &'static str,
    modules: Modules,
    crates: Crates,
}

/// Which modules of this crate.
enum Modules {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

/// Which dependencies.
enum Crates {
    Only(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

use Crates::{AllBut as AnyCrateBut, Only as OnlyCrates};
use Modules::{AllBut as AnyModuleBut, Only as OnlyModules};

/// From the pure core to the composition roots. A module without a row fails the test.
const LAYERS: &[Layer] = &[
    Layer { name: "limiter", modules: OnlyModules(&[]), crates: OnlyCrates(&[]) },
    Layer {
        name: "api",
        modules: OnlyModules(&[]),
        crates: OnlyCrates(&["k8s_openapi", "kube", "schemars", "serde", "serde_json", "serde_saphyr"]),
    },
    Layer { name: "descriptors", modules: OnlyModules(&[]), crates: OnlyCrates(&["rustix", "tracing"]) },
    Layer { name: "memory", modules: OnlyModules(&[]), crates: OnlyCrates(&[]) },
    Layer { name: "file_watch", modules: OnlyModules(&[]), crates: OnlyCrates(&["tokio"]) },
    Layer {
        name: "drain",
        modules: OnlyModules(&[]),
        crates: OnlyCrates(&["futures_util", "tokio", "tokio_util", "tracing"]),
    },
    Layer {
        name: "telemetry",
        modules: OnlyModules(&[]),
        crates: OnlyCrates(&["serde_json", "thiserror", "tracing", "tracing_subscriber"]),
    },
    Layer { name: "runtime", modules: OnlyModules(&[]), crates: OnlyCrates(&["tokio"]) },
    Layer { name: "metrics", modules: OnlyModules(&["limiter"]), crates: OnlyCrates(&["prometheus"]) },
    Layer {
        name: "scheduler",
        modules: OnlyModules(&["limiter", "metrics"]),
        crates: OnlyCrates(&["futures_util", "thiserror", "tokio", "tracing"]),
    },
    Layer {
        name: "server",
        modules: OnlyModules(&["drain"]),
        crates: AnyCrateBut(&["clap", "prometheus", "reqwest", "schemars", "serde_saphyr"]),
    },
    Layer {
        name: "proxy",
        modules: OnlyModules(&["file_watch", "limiter", "metrics", "scheduler"]),
        crates: AnyCrateBut(&["clap", "schemars", "serde_saphyr"]),
    },
    Layer {
        name: "policy",
        modules: OnlyModules(&["api", "file_watch", "limiter", "metrics"]),
        crates: AnyCrateBut(&["axum", "clap", "hyper", "hyper_util", "reqwest"]),
    },
    Layer {
        name: "admin",
        modules: OnlyModules(&["limiter", "metrics", "scheduler"]),
        crates: AnyCrateBut(&["clap", "hyper_util", "reqwest", "schemars", "serde_saphyr"]),
    },
    Layer {
        name: "healthcheck",
        modules: OnlyModules(&[]),
        crates: AnyCrateBut(&["axum", "clap", "reqwest"]),
    },
    Layer { name: "sidecar", modules: AnyModuleBut(&["cli", "demo"]), crates: AnyCrateBut(&["clap"]) },
    Layer { name: "demo", modules: AnyModuleBut(&["cli"]), crates: AnyCrateBut(&["clap"]) },
    Layer { name: "cli", modules: AnyModuleBut(&[]), crates: AnyCrateBut(&["axum", "hyper", "reqwest"]) },
    Layer { name: "lib", modules: OnlyModules(&[]), crates: OnlyCrates(&[]) },
    Layer { name: "main", modules: AnyModuleBut(&[]), crates: OnlyCrates(&["anyhow", "tikv_jemallocator"]) },
];

/// The rule this import breaks, if it breaks one.
fn breach(layer: &Layer, import: &Import) -> Option<String> {
    let (what, allowed, rule) = match import {
        Import::Module(path) => {
            let module = path.split("::").next().unwrap_or(path);
            let own = module == layer.name;
            let (allowed, rule) = match layer.modules {
                OnlyModules(names) => (names.contains(&module), format!("only {names:?}")),
                AnyModuleBut(names) => (!names.contains(&module), format!("any module but {names:?}")),
            };
            (format!("crate::{path}"), own || allowed, rule)
        }
        Import::Crate(name) => {
            let (allowed, rule) = match layer.crates {
                OnlyCrates(names) => (names.contains(&name.as_str()), format!("only {names:?}")),
                AnyCrateBut(names) => (!names.contains(&name.as_str()), format!("any crate but {names:?}")),
            };
            (name.clone(), allowed, rule)
        }
    };
    (!allowed).then(|| format!("imports {what}; layer `{}` may import {rule}", layer.name))
}

/// Every breach in one file, as lines to print. `path` is relative to `src`.
fn breaches(path: &Path, text: &str, dependencies: &BTreeSet<String>) -> Vec<String> {
    let source = Source::new(path, text, dependencies);
    let Some(layer) = LAYERS.iter().find(|layer| layer.name == source.layer()) else {
        return vec![format!("src/{}: layer `{}` has no row in the table", path.display(), source.layer())];
    };
    let found = source.imports().into_iter();
    found
        .filter_map(|(line, import)| {
            breach(layer, &import).map(|breach| format!("src/{}:{line}: {breach}", path.display()))
        })
        .collect()
}

/// Every Rust file below `folder` of this package.
fn rust_files(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

/// The names of the dependencies as code writes them.
fn dependencies() -> BTreeSet<String> {
    include_str!("../../Cargo.toml")
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1)
        .take_while(|line| !line.starts_with('['))
        .filter_map(|line| line.split_once('=').or_else(|| line.split_once('.')))
        .map(|(name, _)| name.trim().replace('-', "_"))
        .collect()
}

#[test]
fn every_layer_imports_only_what_it_may() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let dependencies = dependencies();
    let files: Vec<_> = rust_files("src")
        .into_iter()
        .map(|file| (file.strip_prefix(&src).unwrap().to_owned(), fs::read_to_string(&file).unwrap()))
        .collect();
    let tests: Vec<_> = files.iter().flat_map(|(path, text)| test_modules(path, text)).collect();
    let is_test = |path: &Path| tests.iter().any(|test| path.with_extension("").starts_with(test));

    let checked: Vec<_> = files.iter().filter(|(path, _)| !is_test(path)).collect();
    let found: Vec<_> = checked.iter().flat_map(|(path, text)| breaches(path, text, &dependencies)).collect();
    assert!(checked.len() > 10 && dependencies.contains("tokio_util"), "sources or manifest were misread");
    assert!(found.is_empty(), "{}", found.join("\n"));
}

#[test]
fn no_file_is_longer_than_400_lines_and_none_is_called_mod_rs() {
    for folder in ["src", "tests", "benches", "examples", "simulator"] {
        for file in rust_files(folder) {
            let lines = fs::read_to_string(&file).unwrap().lines().count();
            assert!(lines <= 400, "{}: {lines} lines", file.display());
            assert!(!file.ends_with("mod.rs"), "{}: name it after its module", file.display());
        }
    }
}

/// The simulator runs the limiter, and nothing around it: what it shows holds for the limiter alone.
#[test]
fn the_simulator_uses_nothing_of_pacer_but_the_limiter() {
    let files = rust_files("simulator");
    let mut used = 0;
    for file in &files {
        let text = fs::read_to_string(file).unwrap();
        for (line, text) in text.lines().enumerate().filter(|(_, text)| !text.trim_start().starts_with("//"))
        {
            for (_, path) in text.match_indices("pacer::").map(|(at, _)| text.split_at(at)) {
                let allowed =
                    ["pacer::limiter", "pacer::Pacer"].iter().any(|allowed| path.starts_with(allowed));
                assert!(allowed, "{}:{}: `{}`", file.display(), line + 1, text.trim());
                used += 1;
            }
        }
    }
    assert!(used > 5, "{used} uses in {} files: they were misread", files.len());
}

#[test]
fn a_breach_is_found_however_it_is_written() {
    let dependencies = dependencies();
    let find = |path: &str, text: &str| breaches(Path::new(path), text, &dependencies);
    let breach = |path: &str, text: &str, expected: &str| {
        let found = find(path, text);
        assert!(found.len() == 1 && found.iter().all(|line| line.contains(expected)), "{text}: {found:?}");
    };
    breach("limiter/queue.rs", "use std::x;\nuse tokio::time::Instant;", "queue.rs:2: imports tokio;");
    breach("limiter.rs", "#[derive(serde::Serialize)] struct A;", "imports serde");
    breach("proxy.rs", "use crate::{\n  scheduler::Permit,\n  policy::{Feed},\n};", "crate::policy::");
    breach("proxy/forward.rs", "fn f() { crate::api::x() }", "imports crate::api::x");
    breach("proxy/forward.rs", "use super::super::policy::Feed;", "imports crate::policy::Feed");
    breach("policy/file.rs", "/* a */ use reqwest as http_client;", "imports reqwest");
    breach("admin.rs", "static A: &str = \"// \"; use crate::proxy::Proxy;", "imports crate::proxy");
    breach("novelty.rs", "", "layer `novelty` has no row");
}

#[test]
fn what_is_no_import_is_no_breach() {
    let dependencies = dependencies();
    let clean = |path: &str, text: &str| {
        let found = breaches(Path::new(path), text, &dependencies);
        assert!(found.is_empty(), "{text}: {found:?}");
    };
    clean("limiter.rs", "//! See [`crate::scheduler`], tokio::time and /* crate::api */.");
    clean("limiter.rs", "const A: &str = r#\"tokio::x \" crate::api\"#; const C: char = '\"';");
    clean("limiter.rs", "#[cfg(test)]\nmod tests { use proptest::x; use tokio::y; fn f() { {} } }");
    clean("limiter/queue.rs", "use super::bytes::x; use self::http::y; fn f<'a>(http: &'a str) {}");
    clean("proxy.rs", "use crate::limiter::{Priority, settings::{Rate, WhenFull}};\nuse axum::Router;");
}

#[test]
fn files_of_test_modules_are_known_by_their_declaration() {
    let text = "mod a;\n#[cfg(test)]\npub(crate) mod fixture;\n#[cfg(test)]\nmod tests { mod b; }\n";
    assert_eq!(test_modules(Path::new("admin.rs"), text), [Path::new("admin/fixture")]);
    assert_eq!(test_modules(Path::new("lib.rs"), text), [Path::new("fixture")]);
}

#[test]
fn the_architecture_page_names_every_layer() {
    let page = include_str!("../../docs/architecture.md");
    for Layer { name, .. } in LAYERS.iter().filter(|layer| !["lib", "main"].contains(&layer.name)) {
        assert!(page.contains(&format!("`{name}`")), "docs/architecture.md does not name `{name}`");
    }
}
