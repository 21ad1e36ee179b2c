//! Figures as a person or a program reads them.

mod beside;
mod markdown;

use std::io::{self, Write};

use pacer::limiter::Priority;
use serde_json::json;

pub use beside::beside;
pub use markdown::markdown;

use crate::batch::Row;
use crate::figures::Figures;

/// One JSON object a line: `name`, `law` if there is a choice of them, then the figures.
pub fn json(rows: &[Row<'_>], with_law: bool, out: &mut impl Write) -> io::Result<()> {
    for row in rows {
        let law = if with_law { format!("\"law\":{},", json!(row.law.as_str())) } else { String::new() };
        let figures = serde_json::to_string(&row.figures)?;
        // The figures are an object: what stands before them goes behind its first brace.
        let figures = figures.strip_prefix('{').unwrap_or(&figures);
        writeln!(out, "{{\"name\":{},{law}{figures}", json!(row.scenario.name))?;
    }
    Ok(())
}

/// One aligned line a row: the name, the law if there is a choice of them, the figures that matter in
/// every scenario, then those that only some have.
pub fn lines(rows: &[Row<'_>], with_law: bool, out: &mut impl Write) -> io::Result<()> {
    let width = rows.iter().map(|row| row.scenario.name.chars().count()).max().unwrap_or_default();
    for Row { scenario, law, figures } in rows {
        let law = if with_law { format!("  {:11}", law.as_str()) } else { String::new() };
        let line = format!("{:width$}{law}  {}{}", scenario.name, usual(figures), special(figures));
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

fn usual(figures: &Figures) -> String {
    format!(
        "util {:.3}  429/k {:5.1}  cvf% {:5.2} (429 {:4.2})  max60 {:3}",
        figures.util, figures.r429, figures.cvf, figures.cvf429, figures.max60
    )
}

fn special(figures: &Figures) -> String {
    let mut parts = Vec::new();
    for class in Priority::ALL {
        let of_class = figures.classes[class];
        if let (Some(p50), Some(p99)) = (of_class.p50, of_class.p99) {
            parts.push(format!("  {class} {p50:.1}/{p99:.1} s"));
        }
        if let Some(served) = of_class.served.filter(|_| class == Priority::Low) {
            parts.push(format!("  low served {served:.2}"));
        }
    }
    parts.extend(figures.other_ok.map(|other_ok| format!("  tenant {other_ok:.2}")));
    parts.extend(figures.settle.iter().map(|settle| {
        let seconds = settle.seconds.map_or_else(|| "-".to_owned(), |seconds| format!("{seconds:.0} s"));
        format!("  settle_{} {seconds}", settle.step)
    }));
    parts.concat()
}

#[cfg(test)]
mod tests;
