"""What the dashboard shows: rows of panels, from what is wrong to why."""

from dataclasses import dataclass, field

SELECT = 'namespace=~"$namespace", workload=~"$workload", pacer_dev_policy=~"$policy", pod=~"$pod"'
STALE = 'state!~"synced|unused"'
ERRORS, REFUSED, BROKEN = (f'status_code=~"{digit}.."' for digit in ("[45]", "4", "5"))
NO_ANSWER = 'status_code=~"connect|timeout|broken"'
POD = "namespace, workload, pod, pacer_dev_policy"
WORKLOAD, NAMED = "namespace, workload", "{{namespace}}/{{workload}}"

GREEN, YELLOW, RED = "green", "yellow", "red"
STATES = {"0": ("normal", GREEN), "1": ("retreat", RED), "2": ("recover", YELLOW)}
YES_NO = {"0": ("no", RED), "1": ("yes", GREEN)}


@dataclass(frozen=True)
class Query:
    """An expression, and the name of what it finds: in a table, its column."""

    expr: str
    legend: str = ""
    unit: str = "none"
    words: dict | None = None


@dataclass(frozen=True)
class Panel:
    """A panel; `steps` are the values from which on it is yellow and red."""

    title: str
    description: str
    unit: str
    queries: list[Query]
    kind: str = "timeseries"
    width: int = 8
    height: int = 8
    steps: tuple[float | None, float | None] = (None, None)
    words: dict | None = None
    stacked: bool = False
    top: float | None = None


@dataclass(frozen=True)
class Row:
    title: str
    panels: list[Panel] = field(default_factory=list)


def of(metric: str, *matchers: str) -> str:
    """The metric's series of what is chosen."""
    return f"{metric}{{{', '.join([*matchers, SELECT])}}}"


def rate(metric: str, *matchers: str) -> str:
    return f"rate({of(metric, *matchers)}[$__rate_interval])"


def a_minute(by: str, metric: str, *matchers: str) -> str:
    return f"60 * sum by ({by}) ({rate(metric, *matchers)})"


def quantile(q: float, by: str, metric: str) -> str:
    return f"histogram_quantile({q}, sum by ({by}) ({rate(f'{metric}_bucket')}))"


def counted(condition: str) -> str:
    """How many fulfil it, 0 included."""
    return f"count({condition}) or vector(0)"


def stat(title: str, description: str, unit: str, expr: str, **more: object) -> Panel:
    return Panel(title, description, unit, [Query(expr)], kind="stat", width=4, height=4, **more)


GLANCE = Row("At a glance", [
    stat("Sidecars", "How many are scraped.", "none", f"count({of('sidecar_build_info')})"),
    stat("Not ready", "Each takes its whole pod out of the Services: it starts, drains, or a gate of its policy is shut.", "none",
         counted(f"{of('sidecar_health_status')} == 0"), steps=(None, 1)),
    stat("Quota in use", "Requests in the rolling windows, of those they may hold. A full one makes requests wait.", "percentunit",
         f"sum({of('sidecar_window_used')}) / sum({of('sidecar_window_limit')})", steps=(0.9, None), top=1),
    stat("Waiting", "Requests that wait for their turn.", "none", f"sum({of('sidecar_queue_depth')})"),
    stat("Slower than their policy", "Sidecars whose pace is cut because the API refuses, or rises again after that.", "none",
         counted(f"{of('sidecar_retreat_state')} > 0"), steps=(1, None)),
    stat("Not on their newest policy",
         "Sidecars whose policy is invalid, deleted, not found, forbidden or out of reach. Their last good one stays in force.", "none",
         f"sum({of('sidecar_policy_state', STALE)})", steps=(1, None)),
])

FLEET = Row("Fleet by workload", [
    Panel("Sidecars", "One line a sidecar, those with the most 429s first. A click on a pod shows it alone.", "none", [
        Query(f"sum by ({POD}, version) ({of('sidecar_build_info')})", "Version"),
        Query(f"sum by ({POD}) ({of('sidecar_health_status')})", "Ready", words=YES_NO),
        Query(f"sum by ({POD}) ({of('sidecar_retreat_state')})", "State", words=STATES),
        Query(f"sum by ({POD}) ({of('sidecar_policy_rate_rpm')})", "Rate", "reqpm"),
        Query(f"sum by ({POD}) ({of('sidecar_effective_rate_rpm')})", "Pace", "reqpm"),
        Query(f"sum by ({POD}) ({of('sidecar_window_used')}) / sum by ({POD}) ({of('sidecar_window_limit')})",
              "Quota in use", "percentunit"),
        Query(f"sum by ({POD}) ({of('sidecar_queue_depth')})", "Waiting"),
        Query(a_minute(POD, "sidecar_requests_total", 'status="success"'), "Served", "reqpm"),
        Query(a_minute(POD, "sidecar_upstream_errors_total", 'status_code="429"'), "429s", "reqpm"),
        Query(a_minute(POD, "sidecar_refusals_total"), "Refused", "reqpm"),
        Query(f"sum by ({POD}) ({of('process_resident_memory_bytes')})", "Memory", "bytes"),
    ], kind="table", width=24, height=10),
    Panel("Served by workload", "Requests a minute that got an answer.", "reqpm", [
        Query(a_minute(WORKLOAD, "sidecar_requests_total", 'status="success"'), NAMED),
    ], stacked=True),
    Panel("Waiting by workload", "Requests in the queues of all its pods.", "none", [
        Query(f"sum by ({WORKLOAD}) ({of('sidecar_queue_depth')})", NAMED),
    ], stacked=True),
    Panel("429s of the API by workload", "Several workloads at once: they may share one key.", "reqpm", [
        Query(a_minute(WORKLOAD, "sidecar_upstream_errors_total", 'status_code="429"'), NAMED),
    ], stacked=True),
])

QUOTA = Row("Quota and use", [
    Panel("Quota in use", "Requests in the rolling window, of those it may hold. At 100 % the next one waits.", "percentunit", [
        Query(f"{of('sidecar_window_used')} / {of('sidecar_window_limit')}", "{{pod}}"),
    ], steps=(0.9, None), top=1),
    Panel("Policy, pace and departures",
          "What the policies allow together, what the sidecars allow themselves, and what the API answered.",
          "reqpm", [
        Query(f"sum({of('sidecar_policy_rate_rpm')})", "the policies' rates"),
        Query(f"sum({of('sidecar_effective_rate_rpm')})", "allowed"),
        Query(f"60 * sum({rate('sidecar_upstream_latency_seconds_count')})", "answered by the API"),
    ]),
    Panel("Requests by outcome", "As the application saw them: a 429 may be the sidecar's or the API's.", "reqpm", [
        Query(a_minute("status", "sidecar_requests_total"), "{{status}}"),
    ], stacked=True),
    Panel("Refused by the sidecar",
          "Requests that got no turn, by reason. Deadlines: the waits are longer than the clients'.",
          "reqpm", [
        Query(a_minute("reason", "sidecar_refusals_total"), "{{reason}}"),
    ], stacked=True),
    Panel("Past the queue",
          "Sent at once: because the queue was full (whenFull: Passthrough), or because the policy does not match them.",
          "reqpm", [
        Query(f"60 * sum({rate('sidecar_fallback_passthrough_total')})", "queue full"),
        Query(f"60 * sum({rate('sidecar_unpaced_requests_total')})", "not matched"),
    ]),
    Panel("Tokens", "Requests that may leave at once, as far as the window has room.", "none", [
        Query(of("sidecar_tokens_available"), "{{pod}}"),
    ]),
])

WAITS = Row("Waits by priority", [
    Panel("Wait, half of all", "The median wait for a turn. Served at once counts as 0.", "s", [
        Query(quantile(0.5, "le, priority", "sidecar_queue_latency_seconds"), "{{priority}}"),
    ]),
    Panel("Wait, 95 of 100", "Longer than a client's timeout, and the sidecar refuses instead.", "s", [
        Query(quantile(0.95, "le, priority", "sidecar_queue_latency_seconds"), "{{priority}}"),
    ]),
    Panel("Waiting", "Requests in the queues, and how many may wait in all.", "none", [
        Query(f"sum by (priority) ({of('sidecar_queue_depth')})", "{{priority}}"),
        Query(f"sum({of('sidecar_queue_limit')})", "limit"),
    ]),
])

RETREAT = Row("Retreat: how the pace follows the API's real limit", [
    Panel("State", "Normal: the policy's pace. Retreat: the API refuses, the pace is cut. Recover: it rises again.", "none", [
        Query(of("sidecar_retreat_state"), "{{pod}}"),
    ], kind="state-timeline", width=12, words=STATES),
    Panel("Pace and learned limit",
          "A learned limit that stays means that the policy promises more than the API grants this pod.",
          "reqpm", [
        Query(of("sidecar_effective_rate_rpm"), "{{pod}} pace"),
        Query(f"{of('sidecar_learned_limit_rpm')} > 0", "{{pod}} learned limit"),
    ], width=12),
    Panel("Refused by the API",
          "The share of calls that got a 429, over the retreat's window. The application sees almost none of them.",
          "percentunit", [
        Query(of("sidecar_upstream_429_rate"), "{{pod}}"),
    ], steps=(0.05, None), top=1),
    Panel("429s of the API",
          "Each costs quota with some providers; a few a minute are the price of probing a learned limit.",
          "reqpm", [
        Query(a_minute("pod", "sidecar_upstream_errors_total", 'status_code="429"'), "{{pod}}"),
    ]),
    Panel("Why the pace changed", "Changes of state by cause; unexplained ones hint at somebody else on the same key.", "none", [
        Query(f"sum by (cause) (increase({of('sidecar_retreat_transitions_total')}[$__rate_interval]))", "{{cause}}"),
    ], stacked=True),
])

UPSTREAM = Row("Upstream", [
    Panel("Answers by class", "What the API said to each call, retries included.", "reqpm", [
        Query(f"60 * (sum({rate('sidecar_upstream_latency_seconds_count')}) - sum({rate('sidecar_upstream_errors_total', ERRORS)}))",
              "below 400"),
        Query(f"60 * sum({rate('sidecar_upstream_errors_total', REFUSED)})", "4xx"),
        Query(f"60 * sum({rate('sidecar_upstream_errors_total', BROKEN)})", "5xx"),
        Query(f"60 * sum({rate('sidecar_upstream_errors_total', NO_ANSWER)})", "no answer, or a broken one"),
    ], stacked=True),
    Panel("Errors by code", "connect: no connection; timeout: no answer in time; broken: it broke off.", "reqpm", [
        Query(a_minute("status_code", "sidecar_upstream_errors_total"), "{{status_code}}"),
    ], stacked=True),
    Panel("Retries", "Calls the sidecar made again before a byte was relayed, by reason.", "reqpm", [
        Query(a_minute("reason", "sidecar_retries_total"), "{{reason}}"),
    ], stacked=True),
    Panel("Time to the head of the answer", "The API's own time, without the wait for a turn.", "s", [
        Query(quantile(0.5, "le", "sidecar_upstream_latency_seconds"), "half of all"),
        Query(quantile(0.95, "le", "sidecar_upstream_latency_seconds"), "95 of 100"),
    ]),
    Panel("Generation speed", "Events a second of streamed answers; most APIs send one for each token.", "eps", [
        Query(quantile(0.05, "le", "sidecar_stream_events_per_second"), "the slowest 5 of 100"),
        Query(quantile(0.5, "le", "sidecar_stream_events_per_second"), "half of all"),
    ]),
    Panel("Under way, and told to pause",
          "Requests that have not ended, streams among them; the time until the API may be asked again.",
          "none", [
        Query(f"sum({of('sidecar_requests_in_flight')})", "requests"),
        Query(f"sum({of('sidecar_streams_open')})", "streams"),
        Query(f"max({of('sidecar_gate_seconds')})", "longest pause", "s"),
    ]),
])

POLICY = Row("Policy", [
    Panel("Sidecars by state of their policy", "Synced is what should be there; docs/cluster.md explains the others.", "none", [
        Query(f"sum by (state) ({of('sidecar_policy_state')})", "{{state}}"),
    ], stacked=True),
    Panel("Sidecars by source of their settings",
          "Cache or environment: the API server has not been heard since the start.",
          "none", [
        Query(f"sum by (source) ({of('sidecar_policy_source')})", "{{source}}"),
    ], stacked=True),
    Panel("Generation in force", "Of each policy the lowest and the highest: apart, some sidecars lag behind an edit.", "none", [
        Query(f"min by (pacer_dev_policy) ({of('sidecar_policy_generation')})", "{{pacer_dev_policy}} lowest"),
        Query(f"max by (pacer_dev_policy) ({of('sidecar_policy_generation')})", "{{pacer_dev_policy}} highest"),
    ]),
    Panel("Changes and rejections", "Edits that came into force, and those that were refused.", "none", [
        Query(f"sum(increase({of('sidecar_policy_changes_total')}[$__rate_interval]))", "in force"),
        Query(f"sum(increase({of('sidecar_policy_rejections_total')}[$__rate_interval]))", "refused"),
    ]),
    Panel("Failures of the watch", "Lists and watches that the API server refused, or that broke.", "none", [
        Query(f"sum by (pod) (increase({of('sidecar_policy_watch_failures_total')}[$__rate_interval]))", "{{pod}}"),
    ]),
    Panel("Memory", "Of the process; the bodies of waiting requests are most of it.", "bytes", [
        Query(of("process_resident_memory_bytes"), "{{pod}}"),
    ]),
])

ROWS = [GLANCE, FLEET, QUOTA, WAITS, RETREAT, UPSTREAM, POLICY]
