//! The results as Markdown: a table of medians with ratios, and a table of goals.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::config::{Config, Kind};
use super::goals::{Against, Figure, GOALS, Goal, figures};
use super::{Results, Work};
use crate::report::Report;

type ByTarget = BTreeMap<String, Vec<Report>>;

/// Both tables.
pub fn render(config: &Config, results: &Results) -> String {
    let mut out = String::new();
    for (kind, title) in [(Kind::Xmpp, "XMPP"), (Kind::Mqtt, "MQTT")] {
        let names: Vec<&str> = config
            .targets
            .iter()
            .filter(|target| target.kind == kind)
            .map(|target| target.name.as_str())
            .collect();
        if names.is_empty() {
            continue;
        }
        line(&mut out, &["## ", title, "\n"]);
        comparison(&mut out, config, results, kind, &names);
        out.push('\n');
    }
    goals(&mut out, config, results);
    out
}

fn comparison(out: &mut String, config: &Config, results: &Results, kind: Kind, names: &[&str]) {
    let ours = config
        .targets
        .iter()
        .find(|target| target.ours && target.kind == kind)
        .map(|t| t.name.as_str());
    let mut head = vec!["work", "figure"];
    head.extend(names);
    head.push("ours : best peer");
    row(out, &head);
    row(out, &vec!["---"; head.len()]);
    for (work, by_target) in results.iter().filter(|(work, _)| work.kind() == kind) {
        for (number, figure) in figures(*work).iter().enumerate() {
            let title = if number == 0 {
                title(*work, by_target)
            } else {
                String::new()
            };
            let mut cells = vec![title, figure.name.to_owned()];
            for name in names {
                cells.push(median(by_target, name, figure).map_or_else(|| "–".to_owned(), number_text));
            }
            let ratio = ours.and_then(|ours| ratio(by_target, ours, figure, None));
            cells.push(ratio.map_or_else(|| "–".to_owned(), |ratio| format!("{ratio:.2}")));
            let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
            row(out, &cells);
        }
        for name in names {
            let errors: u64 = by_target
                .get(*name)
                .into_iter()
                .flatten()
                .map(|report| report.errors)
                .sum();
            if errors > 0 {
                row(out, &["", &format!("{name}: {errors} items failed or lost")]);
            }
        }
    }
}

fn goals(out: &mut String, config: &Config, results: &Results) {
    line(out, &["## Goals\n"]);
    row(out, &["work", "figure", "to reach", "is", "reached"]);
    row(out, &["---"; 5]);
    for goal in &GOALS {
        let ours = config
            .targets
            .iter()
            .find(|target| target.ours && target.kind == goal.work.kind());
        let by_target = results.get(&goal.work);
        let ratio = ours
            .zip(by_target)
            .and_then(|(ours, by_target)| reached(goal, results, by_target, &ours.name));
        let sign = if goal.figure.less { "≤" } else { "≥" };
        let to_reach = match goal.against {
            Against::Best => format!("{sign} {} of the better peer", goal.reach),
            Against::Peer(peer) => format!("{sign} {} of {peer}", goal.reach),
            Against::Figure(other) => format!("{sign} {} of the better peer's {}", goal.reach, other.name),
            Against::Own(work) => format!("{sign} {} of our own \"{}\"", goal.reach, name(work)),
            Against::Number => format!("{sign} {}", goal.reach),
        };
        let verdict = ratio.map(|ratio| {
            if goal.figure.less {
                ratio <= goal.reach
            } else {
                ratio >= goal.reach
            }
        });
        row(
            out,
            &[
                &by_target.map_or_else(
                    || name(goal.work).to_owned(),
                    |by_target| title(goal.work, by_target),
                ),
                goal.figure.name,
                &to_reach,
                &ratio.map_or_else(|| "not measured".to_owned(), |ratio| format!("{ratio:.3}")),
                verdict.map_or("–", |reached| if reached { "yes" } else { "**no**" }),
            ],
        );
    }
}

/// What a goal compares: a ratio, or the figure itself.
fn reached(goal: &Goal, results: &Results, by_target: &ByTarget, ours: &str) -> Option<f64> {
    match goal.against {
        Against::Best => ratio(by_target, ours, goal.figure, None),
        Against::Peer(peer) => ratio(by_target, ours, goal.figure, Some(peer)),
        Against::Figure(other) => {
            let best = best(by_target, ours, other, None)?;
            Some(median(by_target, ours, goal.figure)? / best)
        }
        Against::Own(work) => {
            let own = median(results.get(&work)?, ours, goal.figure).filter(|own| *own > 0.0)?;
            Some(median(by_target, ours, goal.figure)? / own)
        }
        Against::Number => median(by_target, ours, goal.figure),
    }
}

/// What the work is called.
fn name(work: Work) -> &'static str {
    match work {
        Work::Idle => "idle session",
        Work::Login => "login (TLS and SCRAM)",
        Work::Chat | Work::ChatAmong => "one-to-one message",
        Work::RoomOne | Work::RoomMany | Work::Crowd | Work::Rooms => "room delivery",
        Work::CrowdJoin => "joining a room",
        Work::CrowdLeave => "leaving a room",
        Work::CrowdTalk => "one-to-one message beside a busy room",
        Work::Archive => "archive paging",
        Work::OneQos0 | Work::OneQos1 | Work::ManyQos0 | Work::ManyQos1 => "MQTT delivery",
    }
}

fn title(work: Work, by_target: &ByTarget) -> String {
    let parameters = by_target
        .values()
        .flatten()
        .next()
        .map_or("", |report| report.parameters.as_str());
    let name = name(work);
    format!("{name}: {parameters}")
}

/// The median over the repetitions.
fn median(by_target: &ByTarget, name: &str, figure: &Figure) -> Option<f64> {
    let mut values: Vec<f64> = by_target.get(name)?.iter().filter_map(figure.of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    Some(if values.len().is_multiple_of(2) {
        f64::midpoint(*values.get(middle.checked_sub(1)?)?, *values.get(middle)?)
    } else {
        *values.get(middle)?
    })
}

/// Our median divided by the best of the others, or by `peer`'s.
fn ratio(by_target: &ByTarget, ours: &str, figure: &Figure, peer: Option<&str>) -> Option<f64> {
    let mine = median(by_target, ours, figure)?;
    Some(mine / best(by_target, ours, figure, peer)?)
}

/// The best median of the others, or `peer`'s.
fn best(by_target: &ByTarget, ours: &str, figure: &Figure, peer: Option<&str>) -> Option<f64> {
    let others = by_target
        .keys()
        .filter(|name| name.as_str() != ours && peer.is_none_or(|peer| peer == name.as_str()))
        .filter_map(|name| median(by_target, name, figure));
    let best = if figure.less {
        others.min_by(f64::total_cmp)
    } else {
        others.max_by(f64::total_cmp)
    };
    best.filter(|best| *best > 0.0)
}

fn number_text(value: f64) -> String {
    match value.abs() {
        v if v >= 1000.0 => {
            let digits = format!("{value:.0}");
            let mut grouped = String::new();
            for (at, digit) in digits.chars().enumerate() {
                if at > 0 && (digits.len() - at).is_multiple_of(3) {
                    grouped.push(',');
                }
                grouped.push(digit);
            }
            grouped
        }
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

fn row(out: &mut String, cells: &[&str]) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "| {} |", cells.join(" | "));
}

fn line(out: &mut String, parts: &[&str]) {
    for part in parts {
        out.push_str(part);
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(rate: f64, cpu: f64) -> Report {
        Report {
            bench: "mqtt fanout".into(),
            parameters: "1 to 100".into(),
            items: 1,
            seconds: 1.0,
            rate,
            server_cpu_us: Some(cpu),
            server_cores: None,
            client_cpu_us: 0.1,
            client_cores: 0.5,
            latency_us: None,
            rss_per_item: None,
            errors: 0,
            setup_seconds: 0.0,
        }
    }

    #[test]
    fn ratios_and_goals() {
        let config: Config = toml::from_str(
            "[[target]]\nname='waddle'\nkind='mqtt'\nours=true\nport=1\n\
             [[target]]\nname='mosquitto'\nkind='mqtt'\nport=2\n[[target]]\nname='fast'\nkind='mqtt'\nport=3\n",
        )
        .unwrap();
        let mut results = Results::new();
        let by_target = results.entry(Work::ManyQos0).or_default();
        by_target.insert(
            "waddle".into(),
            vec![
                report(900.0, 1.0),
                report(1_200_000.0, 1.0),
                report(400_000.0, 3.0),
            ],
        );
        by_target.insert("mosquitto".into(), vec![report(100_000.0, 4.0)]);
        by_target.insert(
            "fast".into(),
            vec![report(200_000.0, 2.0), report(600_000.0, 2.0)],
        );
        let text = render(&config, &results);
        assert!(
            text.contains(
                "| MQTT delivery: 1 to 100 | items per second | 400,000 | 100,000 | 400,000 | 1.00 |"
            ),
            "{text}"
        );
        assert!(text.contains("| ≥ 3 of mosquitto | 4.000 | yes |"), "{text}");
        assert!(text.contains("not measured"), "{text}");
    }
}
