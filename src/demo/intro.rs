//! The first lines: what runs where, and what to try.

use super::Options;
use super::text::{clock, requests};
use super::upstream::StrictUpstream;
use crate::sidecar::Sidecar;

/// What an application takes as its base URL.
pub(super) fn base_url(sidecar: &Sidecar) -> String {
    format!("http://{}/v1", sidecar.proxy_addr())
}

/// What runs where.
pub(super) fn introduction(options: &Options, sidecar: &Sidecar, upstream: &StrictUpstream) -> Vec<String> {
    let base = base_url(sidecar);
    let admin = sidecar.admin_addr();
    let mut lines = vec![
        "Pacer demo: a simulated LLM API, the real sidecar, and an application that wants too much.".into(),
        format!("  sidecar   {base}, paces to {} a minute", requests(options.rpm)),
        format!("  look at   http://{admin}/dashboard, http://{admin}/status and http://{admin}/metrics"),
        format!(
            "  upstream  {}, accepts {} in any minute and answers 429 to more",
            upstream.base_url(),
            requests(options.upstream_rpm)
        ),
    ];
    let steps = options.upstream_steps.iter();
    lines.extend(
        steps.map(|step| format!("            from {} on {} in any minute", clock(step.at), step.quota)),
    );
    if options.tenant_rpm > 0 {
        let tenant = requests(options.tenant_rpm);
        lines.push(format!("            somebody else on the key makes {tenant} a minute"));
    }
    lines.push(
        "The sidecar cannot know what was sent before it started, so it begins paced, not with a burst."
            .into(),
    );
    if allows_less(options) {
        lines.push(
            "Nor is it told what the upstream allows: it sends refused calls again by itself, and finds the limit.".into(),
        );
    }
    if options.no_load {
        lines.extend(to_try(&base));
    }
    lines.push(String::new());
    lines
}

/// Whether the sidecar will meet refusals.
fn allows_less(options: &Options) -> bool {
    let steps = options.upstream_steps.iter().map(|step| step.quota);
    let least = steps.fold(options.upstream_rpm, u32::min);
    least.saturating_sub(options.tenant_rpm) < options.rpm
}

fn to_try(base: &str) -> Vec<String> {
    let text = format!(
        r#"
Nothing is called by itself. Try it with curl:

  curl -sN {base}/chat/completions \
    -H 'content-type: application/json' \
    -H 'x-priority: urgent' \
    -d '{{"model": "demo-small", "stream": true,
         "messages": [{{"role": "user", "content": "Hello"}}]}}'

or with the OpenAI Python SDK:

  from openai import OpenAI
  client = OpenAI(base_url="{base}", api_key="any")
  print(client.chat.completions.create(
      model="demo-small", messages=[{{"role": "user", "content": "Hello"}}],
      extra_headers={{"x-priority": "high"}}).choices[0].message.content)"#
    );
    text.lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::upstream::Step;
    use super::*;

    #[test]
    fn refusals_are_announced_where_there_will_be_some() {
        let options = |upstream_rpm, tenant_rpm, quotas: &[u32]| Options {
            rpm: 40,
            upstream_rpm,
            upstream_steps: quotas.iter().map(|&quota| Step { at: Duration::ZERO, quota }).collect(),
            tenant_rpm,
            duration: None,
            no_load: false,
            seed: 0,
            port: 0,
            metrics_port: 0,
        };
        assert!(!allows_less(&options(40, 0, &[50])));
        for less in [options(24, 0, &[]), options(40, 0, &[24, 40]), options(40, 1, &[])] {
            assert!(allows_less(&less), "{less:?}");
        }
    }

    #[test]
    fn the_lines_to_try_name_the_sidecars_own_address() {
        let text = to_try("http://127.0.0.1:1234/v1").join("\n");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(text.contains("curl -sN http://127.0.0.1:1234/v1/chat/completions"), "{text}");
        assert!(text.contains(r#"base_url="http://127.0.0.1:1234/v1""#), "{text}");
        assert!(text.contains(r#"{"role": "user", "content": "Hello"}"#), "{text}");
    }
}
