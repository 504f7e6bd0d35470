//! Every query of the rules and of the dashboard names metrics that there are, and can be parsed.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::Value;
use support::{Tool, repo_root};

use super::{packaged, run};

/// What Prometheus itself and the collector of the process add to ours.
const OTHERS: &[&str] = &["up", "process_resident_memory_bytes", "process_cpu_seconds_total"];

/// The names that a query can use, read from the one catalogue.
fn catalogue() -> BTreeSet<String> {
    let source = std::fs::read_to_string(repo_root().join("src/telemetry/metrics.rs")).unwrap();
    let (code, _) = source.split_once("mod tests").unwrap();
    let mut names: BTreeSet<String> = OTHERS.iter().map(|&name| name.to_owned()).collect();
    for declared in code.split("to.").skip(1) {
        let Some((kind, rest)) = declared.split_once("(\"carillon_") else { continue };
        let name = format!("carillon_{}", rest.split('"').next().unwrap());
        match kind {
            "spreads" => names.extend(["bucket", "sum", "count"].map(|s| format!("{name}_{s}"))),
            "counter" | "counters" | "number" | "numbers" | "seconds" => drop(names.insert(name)),
            _ => {}
        }
    }
    names
}

/// The words of a query that stand where a metric or function can, without labels and strings.
fn words(query: &str) -> BTreeSet<String> {
    let mut bare = String::new();
    let (mut depth, mut quoted) = (0_usize, false);
    for c in query.chars() {
        match c {
            '"' => quoted = !quoted,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            c if depth == 0 && !quoted => bare.push(c),
            _ => {}
        }
    }
    let parts = bare.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    parts.filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

/// Says what is wrong with the metrics of a query.
fn judge(query: &str, known: &BTreeSet<String>) -> Result<(), String> {
    let words = words(query);
    let ours = |word: &&String| word.starts_with("carillon_") || word.starts_with("process_");
    if let Some(unknown) = words.iter().filter(ours).find(|word| !known.contains(*word)) {
        return Err(format!("{unknown} is no metric: {query}"));
    }
    let named = words.iter().any(|word| known.contains(word));
    named.then_some(()).ok_or_else(|| format!("no metric at all: {query}"))
}

/// Every expression of the dashboard: panels and annotations.
fn dashboard() -> (Value, Vec<String>) {
    let text = std::fs::read_to_string(packaged("grafana/carillon.json")).unwrap();
    let json: Value = serde_json::from_str(&text).unwrap();
    let mut queries = Vec::new();
    for panel in json["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().unwrap() {
            queries.push(target["expr"].as_str().unwrap().to_owned());
        }
    }
    for annotation in json["annotations"]["list"].as_array().unwrap() {
        queries.push(annotation["expr"].as_str().unwrap().to_owned());
    }
    (json, queries)
}

#[test]
fn every_query_names_a_metric_of_the_catalogue() {
    let known = catalogue();
    assert!(known.len() > 20, "{known:?}");
    let (json, queries) = dashboard();
    for query in &queries {
        judge(query, &known).unwrap();
    }
    let variable = json["templating"]["list"][1]["query"]["query"].as_str().unwrap();
    assert!(variable.contains("carillon_build_info"), "{variable}");
    // The rules are YAML, which promtool reads; here each name in them is enough.
    let rules = std::fs::read_to_string(packaged("prometheus/rules.yml")).unwrap();
    let expressions: Vec<&str> = rules.split("expr:").skip(1).collect();
    for expression in &expressions {
        let end = ["labels:", "for:"].iter().filter_map(|word| expression.find(word)).min();
        let (query, _) = expression.split_at(end.unwrap());
        judge(query, &known).unwrap();
    }
    println!("{} queries on the dashboard, {} rules", queries.len(), expressions.len());
    // The test is awake.
    assert!(judge("rate(carillon_typo_total[5m])", &known).is_err());
    assert!(judge("carillon_publish_lateness_seconds > 1", &known).is_err());
    assert!(judge("sum(rate(x[5m]))", &known).is_err());
    assert!(judge("x{y=\"carillon_publishing\"}", &known).is_err());
    judge("sum by (state) (carillon_publishing{a=\"{}\"})", &known).unwrap();
}

/// Panels lie beside each other and have names and ids of their own.
#[test]
fn the_dashboard_is_laid_out() {
    let (json, _) = dashboard();
    let panels = json["panels"].as_array().unwrap();
    let mut places = BTreeSet::new();
    let (mut ids, mut titles) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{panel}");
        assert!(titles.insert(panel["title"].as_str().unwrap()), "{panel}");
        let at = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(at("x") + at("w") <= 24, "{panel}");
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(places.insert((x, y)), "on another one: {}", panel["title"]);
            }
        }
    }
}

#[test]
fn promtool_takes_the_rules_and_their_tests_and_every_query() {
    if !Tool::Program("promtool").available_or_skip() {
        return;
    }
    for args in [["check", "rules", "rules.yml"], ["test", "rules", "rules.test.yml"]] {
        let mut promtool = Command::new("promtool");
        let (fine, said) = run(promtool.args(args).current_dir(packaged("prometheus")));
        assert!(fine && said.contains("SUCCESS"), "{said}");
    }
    let (fine, said) = run(Command::new("promtool")
        .args(["check", "config", "prometheus.yml"])
        .current_dir(packaged("prometheus")));
    assert!(fine, "{said}");
    // A recording rule of each query: that way promtool parses it.
    let (_, queries) = dashboard();
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (n, query) in queries.iter().enumerate() {
        let query = query.replace("$__rate_interval", "5m").replace("$instance", ".*");
        rules.extend([format!("      - record: q{n}\n        expr: '{query}'\n")]);
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("dashboard.yml");
    std::fs::write(&file, rules).unwrap();
    let (fine, said) = run(Command::new("promtool").args(["check", "rules"]).arg(&file));
    assert!(fine && said.contains(&format!("{} rules found", queries.len())), "{said}");
}
