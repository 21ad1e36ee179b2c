//! A law beside another over many scenarios, apart for those alone on their key and those with a tenant.

use std::io::{self, Write};

use crate::batch::Row;
use crate::law::Law;
use crate::time::count;

/// How far refusals may exceed the base's before a scenario counts as one where they do.
const MORE: f64 = 1.1;
const AND: f64 = 5.0;
/// How many of the weakest scenarios are named.
const WEAKEST: usize = 3;

/// One scenario under both.
#[derive(Clone, Copy)]
struct Pair<'a> {
    law: &'a Row<'a>,
    base: &'a Row<'a>,
}

impl Pair<'_> {
    /// Utilisation more than the base's.
    fn gain(&self) -> f64 {
        self.law.figures.util - self.base.figures.util
    }

    fn refuses_more(&self) -> bool {
        self.law.figures.r429 > MORE * self.base.figures.r429 + AND
    }
}

/// How `law` does beside `base`; `rows` hold both of every scenario.
pub fn beside(rows: &[Row<'_>], law: Law, base: Law, out: &mut impl Write) -> io::Result<()> {
    let of = |wanted: Law| rows.iter().filter(move |row| row.law == wanted);
    let pairs: Vec<_> = of(law).zip(of(base)).map(|(law, base)| Pair { law, base }).collect();
    let (alone, tenant): (Vec<_>, Vec<_>) =
        pairs.into_iter().partition(|pair| pair.law.scenario.other.is_empty());
    writeln!(out, "{law} beside {base}")?;
    group("alone", &alone, out)?;
    group("tenant", &tenant, out)
}

fn group(name: &str, pairs: &[Pair<'_>], out: &mut impl Write) -> io::Result<()> {
    let mut pairs = pairs.to_vec();
    pairs.sort_by(|one, other| one.gain().total_cmp(&other.gain()));
    let Some(worst) = pairs.first() else {
        return writeln!(out, "{name:6}  no scenarios");
    };
    let fifth = pairs.get(pairs.len() * 5 / 100).unwrap_or(worst);
    writeln!(
        out,
        "{name:6}  {} scenarios; utilisation minus the base's: mean {:+.4}, 5th percentile {:+.3}, worst {:+.3}",
        pairs.len(),
        mean(&pairs, Pair::gain),
        fifth.gain(),
        worst.gain(),
    )?;
    refusals(&pairs, out)?;
    tenants(&pairs, out)?;
    for Pair { law, base } in pairs.iter().take(WEAKEST) {
        writeln!(
            out,
            "        weakest: {}: utilisation {:.3}, base {:.3}; 429s {:.0}, base {:.0}",
            law.scenario.name, law.figures.util, base.figures.util, law.figures.r429, base.figures.r429,
        )?;
    }
    Ok(())
}

fn refusals(pairs: &[Pair<'_>], out: &mut impl Write) -> io::Result<()> {
    let refused = mean(pairs, |pair| pair.law.figures.r429);
    let base = mean(pairs, |pair| pair.base.figures.r429);
    writeln!(
        out,
        "        429s per 1000: mean {refused:.1}, base {base:.1}, ratio {:.2}; above {MORE} x base + {AND} in {}",
        refused / base.max(f64::MIN_POSITIVE),
        pairs.iter().filter(|pair| pair.refuses_more()).count(),
    )?;
    writeln!(
        out,
        "        client failures %: mean {:.2}, base {:.2}; client-visible 429s %: worst {:.2}",
        mean(pairs, |pair| pair.law.figures.cvf),
        mean(pairs, |pair| pair.base.figures.cvf),
        pairs.iter().map(|pair| pair.law.figures.cvf429).fold(0.0, f64::max),
    )
}

fn tenants(pairs: &[Pair<'_>], out: &mut impl Write) -> io::Result<()> {
    let asked: Vec<_> = pairs.iter().filter(|pair| pair.law.figures.other_ok.is_some()).copied().collect();
    if asked.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "        tenant served: mean {:.3}, base {:.3}",
        mean(&asked, |pair| pair.law.figures.other_ok.unwrap_or_default()),
        mean(&asked, |pair| pair.base.figures.other_ok.unwrap_or_default()),
    )
}

fn mean<'a>(pairs: &[Pair<'a>], figure: impl Fn(&Pair<'a>) -> f64) -> f64 {
    pairs.iter().map(figure).sum::<f64>() / count(pairs.len().max(1))
}
