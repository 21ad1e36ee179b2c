//! Laws side by side as a Markdown table.

use std::io::{self, Write};

use crate::batch::Row;
use crate::figures::Figures;
use crate::law::Law;

/// A line for each scenario and one for the means, a column for each law: utilisation, refusals for
/// 1000 attempts, client failures in percent, and where there are tenants the percentage of their requests
/// that was served. `rows` come by scenario, then by law.
pub fn markdown(rows: &[Row<'_>], laws: &[Law], out: &mut impl Write) -> io::Result<()> {
    let names: Vec<_> = laws.iter().map(|law| law.as_str()).collect();
    writeln!(out, "| scenario | {} |", names.join(" | "))?;
    writeln!(out, "| --- |{}", " --- |".repeat(laws.len()))?;
    for of_scenario in rows.chunk_by(|one, other| std::ptr::eq(one.scenario, other.scenario)) {
        let cells: Vec<_> = of_scenario.iter().map(|row| cell(&row.figures)).collect();
        let name = of_scenario.first().map_or("", |row| row.scenario.name.as_str());
        writeln!(out, "| {} | {} |", name.replace('|', "\\|"), cells.join(" | "))?;
    }
    let means = laws.iter().map(|law| {
        let of_law = rows.iter().filter(|row| row.law == *law).map(|row| row.figures.clone());
        format!("**{}**", cell(&Figures::mean(&of_law.collect::<Vec<_>>())))
    });
    writeln!(out, "| **mean** | {} |", means.collect::<Vec<_>>().join(" | "))?;
    let legend: Vec<_> = laws.iter().map(|law| format!("`{law}`: {}", law.title())).collect();
    writeln!(out, "\n{}.", legend.join("; "))
}

fn cell(figures: &Figures) -> String {
    let of_us = format!("{:.3} / {:.0} / {:.1}", figures.util, figures.r429, figures.cvf);
    figures.other_ok.map_or(of_us.clone(), |served| format!("{of_us} / {:.0}", served * 100.0))
}
