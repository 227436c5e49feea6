//! The service level objectives, and the rules that follow from them: how much of the error budget
//! is spent, and alerts when it is spent too fast. A page wants a fast burn that still goes on, so
//! each alert looks through a long window and a short one. Windows, factors and guards are written
//! once here, since a hundred rules written by hand would differ where nobody looks.

use std::fmt::Write as _;

/// What is promised, and how it is counted. In the expressions `WINDOW` stands for a window.
struct Objective {
    slo: &'static str,
    /// The promise in words.
    promise: &'static str,
    /// The part of all events that must be good.
    target: f64,
    bad: &'static str,
    total: &'static str,
    /// Fewer events in the long window say nothing.
    least: u32,
    escalation: &'static str,
    tiers: &'static [Tier],
}

/// One pair of windows, and how many times faster than allowed the budget is spent in both.
struct Tier {
    factor: f64,
    long: &'static str,
    short: &'static str,
    pages: bool,
}

const MANY: &[Tier] = &[
    Tier { factor: 14.4, long: "1h", short: "5m", pages: true },
    Tier { factor: 6.0, long: "6h", short: "30m", pages: true },
    Tier { factor: 3.0, long: "1d", short: "2h", pages: false },
    Tier { factor: 1.0, long: "3d", short: "6h", pages: false },
];
/// Jobs are few: a short window holds none of them.
const FEW: &[Tier] = &[
    Tier { factor: 6.0, long: "6h", short: "1h", pages: true },
    Tier { factor: 1.0, long: "3d", short: "1d", pages: false },
];
/// A slow job is no emergency.
const SLOW: &[Tier] = &[Tier { factor: 1.0, long: "3d", short: "1d", pages: false }];

const BUDGET_WINDOW: &str = "30d";
/// In this order windows are recorded; the long ones read much and change little.
const SHORT_WINDOWS: &[&str] = &["5m", "30m", "1h", "2h", "6h"];
const LONG_WINDOWS: &[&str] = &["1d", "3d", BUDGET_WINDOW];

const OBJECTIVES: &[Objective] = &[
    Objective {
        // A look at a BMC answers 503 to say that the BMC is busy.
        slo: "api-availability",
        promise: "99.9 % of the requests to the API are answered without a 5xx code",
        target: 0.999,
        bad: r#"sum(increase(http_requests_total{job="shoal",route=~"/api/v1/.*",route!~".*/probe|.*/examine",code=~"5.."}[WINDOW]))"#,
        total: r#"sum(increase(http_requests_total{job="shoal",route=~"/api/v1/.*",route!~".*/probe|.*/examine"}[WINDOW]))"#,
        least: 100,
        escalation: "sre",
        tiers: MANY,
    },
    Objective {
        slo: "api-reachability",
        promise: "99.9 % of the probes from outside are answered, also while nobody else asks",
        target: 0.999,
        bad: r#"sum(count_over_time(probe_success{job="shoal-livez"}[WINDOW]) - sum_over_time(probe_success{job="shoal-livez"}[WINDOW]))"#,
        total: r#"sum(count_over_time(probe_success{job="shoal-livez"}[WINDOW]))"#,
        least: 10,
        escalation: "sre",
        tiers: MANY,
    },
    Objective {
        slo: "webhook-latency",
        promise: "95 % of the reports change their job's state within 1 s of their first byte",
        target: 0.95,
        bad: r#"sum(increase(webhook_processing_duration_seconds_count{job="shoal"}[WINDOW])) - sum(increase(webhook_processing_duration_seconds_bucket{job="shoal",le=~"1([.]0)?"}[WINDOW]))"#,
        total: r#"sum(increase(webhook_processing_duration_seconds_count{job="shoal"}[WINDOW]))"#,
        least: 10,
        escalation: "sre",
        tiers: MANY,
    },
    Objective {
        slo: "job-success",
        promise: "98 % of the jobs succeed, those with a recipe that breaks a rule left out",
        target: 0.98,
        bad: r#"sum(increase(job_failures_total{job="shoal",task_target!="synthetic",failed_step!~"validation[.].*|conflict[.].*"}[WINDOW]))"#,
        total: r#"sum(increase(job_duration_seconds_count{job="shoal",task_target!="synthetic",outcome="succeeded"}[WINDOW])) + sum(increase(job_failures_total{job="shoal",task_target!="synthetic",failed_step!~"validation[.].*|conflict[.].*"}[WINDOW]))"#,
        least: 10,
        escalation: "provisioning",
        tiers: FEW,
    },
    Objective {
        slo: "linux-latency",
        promise: "95 % of the Linux jobs that succeed take 90 min at most",
        target: 0.95,
        bad: r#"sum(increase(job_duration_seconds_count{job="shoal",task_target="install-linux.target",outcome="succeeded"}[WINDOW])) - sum(increase(job_duration_seconds_bucket{job="shoal",task_target="install-linux.target",outcome="succeeded",le=~"5400([.]0)?"}[WINDOW]))"#,
        total: r#"sum(increase(job_duration_seconds_count{job="shoal",task_target="install-linux.target",outcome="succeeded"}[WINDOW]))"#,
        least: 10,
        escalation: "provisioning",
        tiers: SLOW,
    },
    Objective {
        slo: "windows-latency",
        promise: "95 % of the Windows jobs that succeed take 150 min at most",
        target: 0.95,
        bad: r#"sum(increase(job_duration_seconds_count{job="shoal",task_target="install-windows.target",outcome="succeeded"}[WINDOW])) - sum(increase(job_duration_seconds_bucket{job="shoal",task_target="install-windows.target",outcome="succeeded",le=~"9000([.]0)?"}[WINDOW]))"#,
        total: r#"sum(increase(job_duration_seconds_count{job="shoal",task_target="install-windows.target",outcome="succeeded"}[WINDOW]))"#,
        least: 10,
        escalation: "provisioning",
        tiers: SLOW,
    },
    Objective {
        slo: "esxi-install-latency",
        promise: "95 % of the ESXi installs take 90 min at most",
        target: 0.95,
        bad: r#"sum(increase(provisioning_phase_duration_seconds_count{job="shoal",task_target="install-esxi.target",phase="install"}[WINDOW])) - sum(increase(provisioning_phase_duration_seconds_bucket{job="shoal",task_target="install-esxi.target",phase="install",le=~"5400([.]0)?"}[WINDOW]))"#,
        total: r#"sum(increase(provisioning_phase_duration_seconds_count{job="shoal",task_target="install-esxi.target",phase="install"}[WINDOW]))"#,
        least: 10,
        escalation: "provisioning",
        tiers: SLOW,
    },
    Objective {
        slo: "esxi-cleanup-latency",
        promise: "95 % of the cleanups after ESXi installs take 20 min at most",
        target: 0.95,
        bad: r#"sum(increase(provisioning_phase_duration_seconds_count{job="shoal",task_target="install-esxi.target",phase="cleanup"}[WINDOW])) - sum(increase(provisioning_phase_duration_seconds_bucket{job="shoal",task_target="install-esxi.target",phase="cleanup",le=~"1200([.]0)?"}[WINDOW]))"#,
        total: r#"sum(increase(provisioning_phase_duration_seconds_count{job="shoal",task_target="install-esxi.target",phase="cleanup"}[WINDOW]))"#,
        least: 10,
        escalation: "provisioning",
        tiers: SLOW,
    },
];

/// The rule file.
pub(super) fn rules() -> String {
    let mut text = String::from(
        "# How fast the error budgets of the objectives are spent. Written by `cargo xtask generate`\n\
         # from xtask/src/ops/objectives.rs. Synthetic and cancelled jobs count neither as good nor as bad.\n\
         groups:\n",
    );
    // Writing into a string cannot fail.
    let _ = write_groups(&mut text);
    text
}

/// The table of objectives for the page about alerts.
pub(super) fn table() -> String {
    let mut text = String::from(
        "| objective | promise over 30 days | its error budget alerts: |\n|---|---|---|\n",
    );
    for it in OBJECTIVES {
        let alerts: Vec<String> = it.tiers.iter().map(in_words).collect();
        let _ = writeln!(text, "| `{}` | {} | {} |", it.slo, it.promise, alerts.join("; "));
    }
    text
}

fn in_words(tier: &Tier) -> String {
    let (does, Tier { factor, long, short, .. }) =
        (if tier.pages { "page" } else { "ticket" }, tier);
    // As fast as allowed and no faster, a budget lasts as long as it is meant to.
    let pace = if *factor > 1.0 { format!("{factor} times as fast") } else { "as fast".to_owned() };
    format!("{does} if spent {pace} as allowed over {long} and {short}")
}

fn write_groups(text: &mut String) -> std::fmt::Result {
    writeln!(text, "  - name: shoal-objectives\n    rules:")?;
    for it in OBJECTIVES {
        writeln!(text, "      # {}.", it.promise)?;
        writeln!(text, "      - record: slo:objective:ratio\n        expr: vector({})", it.target)?;
        writeln!(text, "        labels: {{ slo: {} }}", it.slo)?;
        write_windows(text, it, SHORT_WINDOWS)?;
    }
    writeln!(
        text,
        "\n  # Every rule here reads days of samples; a value in two minutes is plenty."
    )?;
    writeln!(text, "  - name: shoal-objectives-long\n    interval: 2m\n    rules:")?;
    for it in OBJECTIVES {
        write_windows(text, it, LONG_WINDOWS)?;
    }
    writeln!(text, "      - record: slo:error_budget_remaining:ratio")?;
    writeln!(
        text,
        "        expr: 1 - slo:sli_error:ratio_rate{BUDGET_WINDOW} / (1 - slo:objective:ratio)"
    )?;
    writeln!(text, "\n  - name: shoal-objectives-alerts\n    rules:")?;
    for it in OBJECTIVES {
        for tier in it.tiers {
            write_alert(text, it, tier)?;
        }
    }
    Ok(())
}

/// The error ratio of each window that an alert looks through, and the number of events in it.
fn write_windows(text: &mut String, it: &Objective, windows: &[&str]) -> std::fmt::Result {
    let looked = |window: &&&str| {
        **window == BUDGET_WINDOW
            || it.tiers.iter().any(|tier| tier.long == **window || tier.short == **window)
    };
    for window in windows.iter().filter(looked) {
        let (bad, total) = (it.bad.replace("WINDOW", window), it.total.replace("WINDOW", window));
        writeln!(text, "      - record: slo:sli_total:increase{window}\n        expr: {total}")?;
        writeln!(text, "        labels: {{ slo: {} }}", it.slo)?;
        // Without events there is no ratio, instead of one that is not a number.
        writeln!(text, "      - record: slo:sli_error:ratio_rate{window}\n        expr: |")?;
        // No series of errors means no errors.
        writeln!(text, "          ({bad} or vector(0))")?;
        let slo = it.slo;
        writeln!(
            text,
            "            / on () (slo:sli_total:increase{window}{{slo=\"{slo}\"}} > 0)"
        )?;
        writeln!(text, "        labels: {{ slo: {} }}", it.slo)?;
    }
    Ok(())
}

fn write_alert(text: &mut String, it: &Objective, tier: &Tier) -> std::fmt::Result {
    let Tier { factor, long, short, pages } = tier;
    let (name, severity, sev) = if *pages {
        ("ShoalBudgetBurnFast", "page", 2)
    } else {
        ("ShoalBudgetBurnSlow", "ticket", 3)
    };
    let slo = it.slo;
    let limit = format!("{factor} * (1 - {})", it.target);
    writeln!(text, "      - alert: {name}\n        expr: |")?;
    writeln!(text, "          slo:sli_error:ratio_rate{long}{{slo=\"{slo}\"}} > {limit}")?;
    writeln!(
        text,
        "            and on (slo) slo:sli_error:ratio_rate{short}{{slo=\"{slo}\"}} > {limit}"
    )?;
    writeln!(
        text,
        "            and on (slo) slo:sli_total:increase{long}{{slo=\"{slo}\"}} >= {}",
        it.least
    )?;
    // One bad event of a hundred is a share that pages, and one event is no reason to. Shares and
    // increases are no whole numbers, so three of them may be a little less than three.
    writeln!(
        text,
        "            and on (slo) slo:sli_error:ratio_rate{long}{{slo=\"{slo}\"}} * on (slo) \
         slo:sli_total:increase{long}{{slo=\"{slo}\"}} > 2.5"
    )?;
    writeln!(text, "        labels:\n          severity: {severity}\n          sev: \"{sev}\"")?;
    writeln!(
        text,
        "          escalation: {}\n          slo: {slo}\n          long: {long}\n          short: {short}",
        it.escalation
    )?;
    writeln!(
        text,
        "        annotations:\n          summary: the error budget of {{{{ $labels.slo }}}} is spent too fast"
    )?;
    writeln!(
        text,
        "          description: >-\n            {}. In the last {long} and",
        it.promise
    )?;
    writeln!(
        text,
        "            {short} it was missed {factor} times as often as allowed, or more:"
    )?;
    writeln!(text, "            {{{{ $value | humanizePercentage }}}} of all.")?;
    writeln!(
        text,
        "          runbook_url: https://github.com/shoal-provision/shoal/blob/main/docs/runbook/{name}.md"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_alert_asks_for_more_errors_than_there_can_be() {
        for it in OBJECTIVES {
            for tier in it.tiers {
                assert!(tier.factor * (1.0 - it.target) < 1.0, "{} over {}", it.slo, tier.long);
            }
        }
    }

    #[test]
    fn jobs_of_drills_and_cancelled_ones_are_in_no_objective() {
        for it in OBJECTIVES.iter().filter(|it| it.slo.starts_with("job-")) {
            for expression in [it.bad, it.total] {
                let jobs = expression.matches("job_").count();
                assert_eq!(expression.matches("task_target!=\"synthetic\"").count(), jobs);
            }
            assert!(!it.total.contains("cancelled") && it.total.contains("outcome=\"succeeded\""));
        }
    }

    #[test]
    fn the_file_of_objectives_is_current() {
        let file = crate::shell::root().join("ops/alerts/objectives.yml");
        if std::env::var_os("SHOAL_GENERATE").is_some() {
            std::fs::write(&file, rules()).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == rules(), "run `cargo xtask generate` and commit the rules");
    }
}
