//! The programs that will read the files are asked what they think of them. They are never done
//! without: a check that skips is none.

use std::process::Command;

use anyhow::{Context, Result, bail, ensure};

use super::{Corpus, RULE_TESTS, alerts::WATCHDOG};
use crate::{rules::Rules, shell};

const PROMETHEUS: &str = "ops/prometheus/prometheus.yml";
const BLACKBOX: &str = "ops/prometheus/blackbox.yml";
const ALERTMANAGER: &str = "ops/alertmanager/alertmanager.yml";

/// Every question with its answer.
pub(super) fn all(corpus: &Corpus) -> Result<Vec<(&'static str, Result<()>)>> {
    let (promtool, amtool) =
        (tool("promtool", "prometheus"), tool("amtool", "prometheus-alertmanager"));
    let blackbox = tool("prometheus-blackbox-exporter", "prometheus-blackbox-exporter")?;
    let (promtool, amtool) = (promtool?, amtool?);
    let rules: Vec<&str> = corpus.rules.iter().map(|file| file.path.as_str()).collect();
    let tests: Vec<&str> = corpus.tests.iter().map(|file| file.path.as_str()).collect();
    Ok(vec![
        ("promtool takes the rules", lint(&promtool, &rules)),
        ("promtool's tests of the rules pass", unit(&promtool, &tests)),
        (
            "promtool takes the example configuration",
            ask(&promtool, &["check", "config", PROMETHEUS]),
        ),
        ("the blackbox exporter takes the example probes", {
            ask(&blackbox, &["--config.check", &format!("--config.file={BLACKBOX}")])
        }),
        ("amtool takes the example configuration", ask(&amtool, &["check-config", ALERTMANAGER])),
        ("every alert reaches its receiver", routes(&amtool, corpus)),
    ])
}

/// Where a tool is; its absence is a failure.
fn tool(program: &str, package: &str) -> Result<String> {
    let path = shell::find(program);
    let path = path.with_context(|| format!("{program} is missing: apt-get install {package}"))?;
    Ok(path.to_string_lossy().into_owned())
}

fn lint(promtool: &str, rules: &[&str]) -> Result<()> {
    ensure!(!rules.is_empty(), "there are no rules");
    ask(promtool, &[&["check", "rules", "--lint=all", "--lint-fatal"], rules].concat())
}

fn unit(promtool: &str, tests: &[&str]) -> Result<()> {
    ensure!(!tests.is_empty(), "there are no tests in {RULE_TESTS}");
    // Each in a process of its own, at one time: windows of a month take seconds to walk through.
    let failed: Vec<String> = std::thread::scope(|scope| {
        let ask = |file| scope.spawn(move || ask(promtool, &["test", "rules", file]));
        let asked: Vec<_> = tests.iter().copied().map(ask).collect();
        let answers = asked.into_iter().map(std::thread::ScopedJoinHandle::join);
        let answers = answers.map(|answer| answer.unwrap_or_else(|_| bail!("a thread panicked")));
        answers.filter_map(Result::err).map(|error| format!("{error:#}")).collect()
    });
    if failed.is_empty() { Ok(()) } else { bail!("{}", failed.join("\n")) }
}

/// The example routes each alert to the receiver its labels ask for.
fn routes(amtool: &str, corpus: &Corpus) -> Result<()> {
    let mut lost = Vec::new();
    for (name, rule) in corpus.rules.iter().flat_map(Rules::alerts) {
        let receiver = receiver(name, rule.label("severity"), rule.label("escalation"));
        let verify = format!("--verify.receivers={receiver}");
        let file = format!("--config.file={ALERTMANAGER}");
        let mut arguments = vec!["config", "routes", "test", &file, &verify];
        let labels: Vec<String> = std::iter::once(format!("alertname={name}"))
            .chain(rule.labels.iter().map(|(label, value)| format!("{label}={value}")))
            .collect();
        arguments.extend(labels.iter().map(String::as_str));
        if let Err(error) = ask(amtool, &arguments) {
            lost.push(format!("{name} does not reach {receiver}: {error:#}"));
        }
    }
    if lost.is_empty() { Ok(()) } else { bail!("{}", lost.join("\n")) }
}

fn receiver(name: &str, severity: &str, escalation: &str) -> String {
    match severity {
        _ if name == WATCHDOG => "dead-man".to_owned(),
        "page" => format!("page-{escalation}"),
        "ticket" => "tickets".to_owned(),
        _ => "warnings".to_owned(),
    }
}

fn ask(program: &str, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    shell::read(command.current_dir(shell::root()).args(arguments)).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_missing_is_a_failure_that_says_what_to_install() {
        let error = tool("no-such-tool", "prometheus").unwrap_err().to_string();
        assert!(error.contains("apt-get install prometheus"), "{error}");
    }

    #[test]
    fn nothing_to_check_is_a_failure() {
        assert!(lint("true", &[]).is_err());
        assert!(unit("true", &[]).is_err());
    }

    #[test]
    fn what_a_tool_refuses_fails_and_says_why() {
        let error = ask("sh", &["-c", "echo no such label >&2; exit 3"]).unwrap_err();
        assert!(format!("{error:#}").contains("no such label"));
    }

    #[test]
    fn alerts_that_reach_another_receiver_are_all_named() {
        let text = "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up\n    \
                    labels: { severity: page, escalation: sre }\n  - alert: B\n    expr: up\n";
        let rules = vec![Rules::parse("x.yml", text).unwrap()];
        let corpus = Corpus { rules, ..Corpus::default() };
        let error = routes("false", &corpus).unwrap_err().to_string();
        assert!(error.contains("A does not reach page-sre"), "{error}");
        assert!(error.contains("B does not reach warnings"), "{error}");
        assert!(routes("true", &corpus).is_ok());
    }
}
