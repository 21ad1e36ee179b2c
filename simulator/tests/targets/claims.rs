//! A figure that is wanted, and the one that is held where that is not reached yet.

/// At least, or at most, so much.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Bound {
    /// At least.
    Least(f64),
    /// At most.
    Most(f64),
}

/// What is claimed of one figure.
#[derive(Clone, Debug)]
pub(crate) struct Claim<F> {
    /// The case, or the group of scenarios.
    pub(crate) of: &'static str,
    pub(crate) figure: F,
    pub(crate) wanted: Bound,
    /// The bound that is met, where the wanted one is not: it cannot slip further.
    pub(crate) held: Option<f64>,
}

/// What a figure is called, and how it is written.
pub(crate) trait Unit: Copy {
    fn name(self) -> &'static str;
    /// Digits behind the point, and the unit.
    fn unit(self) -> (usize, &'static str);
}

impl<F: Unit> Claim<F> {
    fn told(&self, found: f64) -> String {
        let (sign, wanted) = self.wanted();
        let (digits, unit) = self.figure.unit();
        format!("{} {found:.digits$}{unit} ({sign} {wanted})", self.figure.name())
    }
}

impl<F> Claim<F> {
    pub(crate) fn at_least(of: &'static str, figure: F, wanted: f64) -> Self {
        Self { of, figure, wanted: Bound::Least(wanted), held: None }
    }

    pub(crate) fn at_most(of: &'static str, figure: F, wanted: f64) -> Self {
        Self { of, figure, wanted: Bound::Most(wanted), held: None }
    }

    /// What is held instead of what is wanted.
    pub(crate) fn held(self, held: f64) -> Self {
        Self { held: Some(held), ..self }
    }

    fn meets(&self, bound: f64, found: f64) -> bool {
        match self.wanted {
            Bound::Least(_) => found >= bound - 1e-9,
            Bound::Most(_) => found <= bound + 1e-9,
        }
    }

    fn wanted(&self) -> (&'static str, f64) {
        match self.wanted {
            Bound::Least(bound) => ("≥", bound),
            Bound::Most(bound) => ("≤", bound),
        }
    }
}

/// Fails where what is held was not found; prints what was wanted, held and found.
pub(crate) fn settle<F: Unit>(claims: &[Claim<F>], found: impl Fn(&Claim<F>) -> f64) {
    let mut broken = Vec::new();
    for claim in claims {
        let found = found(claim);
        let held = claim.held.map_or(String::new(), |held| format!(", held {held}"));
        let line = format!("{}: {}{held}", claim.of, claim.told(found));
        println!("{line}");
        if !claim.meets(claim.held.unwrap_or(claim.wanted().1), found) {
            broken.push(format!("{line}; exactly {found}"));
        }
    }
    assert!(broken.is_empty(), "not met:\n{}", broken.join("\n"));
}

/// A line for each case: what was found beside what was wanted, bold where that was not reached.
pub(crate) fn table<F: Unit>(claims: &[Claim<F>], found: impl Fn(&Claim<F>) -> f64) -> String {
    let mut lines: Vec<(&str, Vec<String>)> = Vec::new();
    for claim in claims {
        let found = found(claim);
        let told = claim.told(found);
        let told = if claim.meets(claim.wanted().1, found) { told } else { format!("**{told}**") };
        match lines.iter_mut().find(|(of, _)| *of == claim.of) {
            Some((_, cells)) => cells.push(told),
            None => lines.push((claim.of, vec![told])),
        }
    }
    lines.sort_by_key(|(of, _)| *of);
    let rows = lines.iter().map(|(of, cells)| format!("| {of} | {} |\n", cells.join("; ")));
    format!("| case | found (wanted) |\n| --- | --- |\n{}", rows.collect::<String>())
}
