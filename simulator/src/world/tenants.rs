//! Who else uses the key: greedy, and never waits.

use std::time::Duration;

use super::World;
use super::agenda::Event;
use super::watch::{Happened, Watch};
use crate::scenario::Tenant;
use crate::sidecar::Sidecar;
use crate::time::seconds;
use crate::upstream::Status;

impl<S: Sidecar, W: Watch<S>> World<'_, S, W> {
    pub(super) fn open_tenants(&mut self) {
        let scenario = self.scenario;
        for (index, tenant) in scenario.other.iter().enumerate() {
            let first = seconds(self.tenants.exponential(60.0 / tenant.rpm));
            self.agenda.at(tenant.t0 + first, Event::Tenant(index));
        }
    }

    pub(super) fn tenant_asks(&mut self, index: usize) {
        let Some(tenant) = self.scenario.other.get(index) else { return };
        if self.now >= tenant.t1.unwrap_or(Duration::MAX) {
            return;
        }
        if is_on(tenant, self.now) {
            self.history.tenants_asked += 1;
            let accepted = self.upstream.handle(self.now).status == Status::Accepted;
            self.history.tenants_served += u32::from(accepted);
            self.told(Happened::TenantAsked { accepted });
        }
        let apart = 60.0 / tenant.rpm;
        let pause = if tenant.even { apart } else { self.tenants.exponential(apart) };
        self.agenda.at(self.now + seconds(pause), Event::Tenant(index));
    }
}

/// Whether an on/off tenant asks at `now`.
fn is_on(tenant: &Tenant, now: Duration) -> bool {
    let (Some(on), Some(off)) = (tenant.on, tenant.off) else { return true };
    let since = now.saturating_sub(tenant.t0).as_nanos();
    since % (on + off).as_nanos().max(1) < on.as_nanos()
}
