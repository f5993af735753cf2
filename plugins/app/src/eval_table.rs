//! The tables of `rhea eval plans`, as lines and as JSON.

use std::collections::BTreeMap;

use anyhow::Result;
use rhea_physics::checks::STAGES;
use rhea_physics::eval::GroundingFigures;
use rhea_physics::faults::{Kind, KindFigures};
use rhea_physics::tasks::Family;
use serde_json::{Value, json};

use crate::eval_planners;
use crate::eval_share::{BASELINES, Found};
use crate::say::say;

/// Prints what was found; `own` are sentences of a file instead of the paraphrases.
///
/// # Errors
/// Never; the signature is that of jobs.
pub fn tell(found: &Found, own: Option<GroundingFigures>) -> Result<Value> {
    let oracle = search(found);
    let (model, planners) = match found.planners.as_slice() {
        [] => (Value::Null, Value::Null),
        rows => eval_planners::told(rows),
    };
    let grounding = grounding(&own.unwrap_or_else(|| found.grounding()));
    let table = found.faults();
    if table.iter().all(|(_, figures)| figures.planted + figures.clean == 0) {
        return Ok(json!({"oracle": oracle, "model": model, "planners": planners, "grounding": grounding}));
    }
    let (kinds, by_stage, clean_pass) = faults(&table);
    let baselines = baselines(found);
    Ok(json!({
        "faults": kinds,
        "clean_pass": clean_pass,
        "oracle": oracle,
        "model": model,
        "planners": planners,
        "found_by_stage": by_stage,
        "baselines": baselines,
        "grounding": grounding,
    }))
}

fn search(found: &Found) -> Value {
    let (mut reached, mut feasible, mut refused, mut infeasible) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut by_family = BTreeMap::new();
    for (family, _) in Family::ALL {
        let (mut right, mut count) = (0_u64, 0_u64);
        for result in found.oracle.iter().filter(|result| result.family == family) {
            count += 1;
            right += u64::from(result.right);
            let (all, good) =
                if result.feasible { (&mut feasible, &mut reached) } else { (&mut infeasible, &mut refused) };
            *all += 1;
            *good += u64::from(result.right);
            if !result.right {
                let says = result.says.chars().take(160).collect::<String>();
                say!("  {family:?} seed {}: {says}", result.seed);
            }
        }
        if count > 0 {
            say!("{family:?}: {right} of {count}");
            by_family.insert(format!("{family:?}"), json!({"right": right, "tasks": count}));
        }
    }
    say!(
        "symbolic search: goal reached on {reached} of {feasible} feasible tasks, {refused} of {infeasible} infeasible ones refused with the right code"
    );
    let of = |part: u64, whole: u64| if whole == 0 { Value::Null } else { json!(part as f64 / whole as f64) };
    json!({"goal": of(reached, feasible), "refused_right": of(refused, infeasible), "families": by_family})
}

fn grounding(figures: &GroundingFigures) -> Value {
    let share = |part: usize| part as f64 / figures.sentences.max(1) as f64;
    say!(
        "grounding: exact {:.2} %, wrong object {:.2} %, asked back {:.2} % of {} sentences",
        100.0 * share(figures.exact),
        100.0 * share(figures.wrong_object),
        100.0 * share(figures.asked),
        figures.sentences
    );
    for example in figures.examples.iter().take(8) {
        say!("  {}", example.chars().take(200).collect::<String>());
    }
    json!({"exact": share(figures.exact), "wrong_object": share(figures.wrong_object), "sentences": figures.sentences})
}

/// The table by kind; what the stages found; the share of clean plans that pass.
fn faults(table: &[(Kind, KindFigures)]) -> (Value, Value, f64) {
    say!("{:<22} {:>7} {:>9} {:>10} {:>9} {:>9}", "fault", "recall", "precision", "right code", "0.8 pass", "clean");
    let (mut clean, mut passed) = (0, 0);
    let mut by_stage = [0; STAGES.len()];
    let mut kinds = BTreeMap::new();
    for (kind, f) in table {
        say!(
            "{:<22} {:>7.3} {:>9.3} {:>10.3} {:>5}/{:<3} {:>5}/{:<3}",
            kind.name(),
            f.recall(),
            f.precision(),
            f.right(),
            f.below_passed,
            f.below,
            f.clean_passed,
            f.clean
        );
        for example in f.examples.iter().take(2) {
            say!("    {}", example.chars().take(160).collect::<String>());
        }
        by_stage.iter_mut().zip(f.by_stage).for_each(|(sum, found)| *sum += found);
        clean += f.clean + f.below;
        passed += f.clean_passed + f.below_passed;
        kinds.insert(
            kind.name(),
            json!({"recall": f.recall(), "precision": f.precision(), "right_code": f.right(), "planted": f.planted,
            "below_pass": f.below_passed, "below": f.below, "clean_pass": f.clean_passed, "clean": f.clean}),
        );
    }
    let clean_pass = passed as f64 / clean.max(1) as f64;
    let planted: usize = table.iter().map(|(_, f)| f.planted).sum();
    let by_stage = STAGES.iter().zip(by_stage.map(|found| found as f64 / planted.max(1) as f64));
    let by_stage: BTreeMap<&str, f64> = by_stage.map(|(stage, found)| (*stage, found)).collect();
    for (stage, found) in &by_stage {
        say!("found by {stage}: {:.1} % of the planted faults", 100.0 * found);
    }
    say!("clean and below the threshold: {passed} of {clean} pass ({:.2} %)", 100.0 * clean_pass);
    (json!(kinds), json!(by_stage), clean_pass)
}

/// What fewer checks, or rapier's own contacts, find of the same faults.
fn baselines(found: &Found) -> Value {
    say!("{:<24} {:>7} {:>9} {:>10} {:>12}", "checks", "recall", "precision", "right code", "clean, 0.8");
    let mut told = BTreeMap::new();
    for (row, name) in BASELINES.into_iter().enumerate() {
        let table = found.baseline(row);
        let sum = |part: fn(&KindFigures) -> usize| table.iter().map(|(_, f)| part(f)).sum::<usize>();
        let of = |part: usize, whole: usize| if whole == 0 { f64::NAN } else { part as f64 / whole as f64 };
        let (planted, found, right) = (sum(|f| f.planted), sum(|f| f.found), sum(|f| f.right_code));
        let (clean, passed) = (sum(|f| f.clean + f.below), sum(|f| f.clean_passed + f.below_passed));
        let recall = of(found, planted);
        let (precision, right) = (of(found, found + clean - passed), of(right, found));
        let shown = |share: f64| if share.is_nan() { "-".to_owned() } else { format!("{share:.3}") };
        let (a, b, c) = (shown(recall), shown(precision), shown(right));
        say!("{name:<24} {a:>7} {b:>9} {c:>10} {passed:>6}/{clean}");
        told.insert(
            name,
            json!({"recall": recall, "precision": precision, "right_code": right, "clean_pass": of(passed, clean)}),
        );
    }
    json!(told)
}
