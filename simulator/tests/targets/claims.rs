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
            Bound::Least(bound) => (">=", bound),
            Bound::Most(bound) => ("<=", bound),
        }
    }
}

/// Prints what was wanted, held and found, and fails where what is held was not found.
pub(crate) fn settle<F: std::fmt::Debug>(claims: &[Claim<F>], found: impl Fn(&Claim<F>) -> f64) {
    let mut table =
        String::from("| of | figure | wanted | held | found |\n| --- | --- | --- | --- | --- |\n");
    let mut broken = Vec::new();
    for claim in claims {
        let (sign, wanted) = claim.wanted();
        let found = found(claim);
        let held = claim.held.map_or(String::new(), |held| held.to_string());
        let row = format!("| {} | {:?} | {sign} {wanted} | {held} | {found:.4} |\n", claim.of, claim.figure);
        table.push_str(&row);
        if !claim.meets(claim.held.unwrap_or(wanted), found) {
            broken.push(row);
        }
    }
    println!("{table}");
    assert!(broken.is_empty(), "not met:\n{}", broken.concat());
}
