//! Prints the figures of scenarios.

use std::io::Write;
use std::process::ExitCode;

use pacer_simulator::{Figures, scenario, simulate};

fn main() -> ExitCode {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let json = args.iter().position(|a| a == "--json").map(|i| args.remove(i)).is_some();
    let seeds = args.iter().position(|a| a == "--seeds").map_or(5, |i| {
        args.remove(i);
        args.remove(i).parse().unwrap()
    });
    let text = std::fs::read_to_string(&args[0]).unwrap();
    let scenarios = match scenario::read(&text) {
        Ok(s) => s,
        Err(e) => {
            eprintln!("{}: {e}", args[0]);
            return ExitCode::from(2);
        }
    };
    let mut out = std::io::stdout().lock();
    for s in &scenarios {
        let runs: Vec<_> = (1..=seeds).map(|seed| simulate(s, seed)).collect();
        let f = Figures::mean(&runs);
        if json {
            let mut v = serde_json::to_string(&f).unwrap();
            v.insert_str(1, &format!("\"name\":{},", serde_json::to_string(&s.name).unwrap()));
            writeln!(out, "{v}").unwrap();
        } else {
            writeln!(
                out,
                "{:24} util {:.3}  429/k {:5.1}  cvf {:4.1}  max60 {} {:?} {:?}",
                s.name,
                f.util,
                f.r429,
                f.cvf,
                f.max60,
                f.settle.iter().map(|s| s.seconds).collect::<Vec<_>>(),
                f.other_ok
            )
            .unwrap();
        }
    }
    ExitCode::SUCCESS
}
