//! Classes of retention: each series in its class's files, whatever the configuration says later.

use std::path::Path;

use pantau_journal::FileLayer as _;

use super::super::{Class, Keep, Retention};
use super::support::{DIR, Rig, commit, files, new_series};

const MARCH: i64 = 1_772_323_200_000;

fn class(name: &str, quantity: &str) -> Class {
    Class { name: name.to_owned(), quantities: vec![quantity.to_owned()], keep: Keep::default() }
}

fn classes(classes: &[(&str, &str)]) -> Retention {
    let classes = classes.iter().map(|(name, quantity)| class(name, quantity)).collect();
    Retention { default: Keep::default(), classes }
}

/// Two series: 0 of temperature, 1 of rainfall.
fn start(retention: &Retention) -> Rig {
    let mut rig = Rig::keeping(files(), retention.clone());
    let mut first = commit(0, &[(0, MARCH, 1.0), (1, MARCH, 1.0)]);
    first.new_series = new_series(0..2);
    first.new_series[1].name = "dev/rainfall/b".into();
    rig.append(first);
    rig.flush();
    rig
}

fn data_files(rig: &Rig) -> Vec<String> {
    let data = Path::new(DIR).join("data");
    rig.files.list(&data).unwrap().into_iter().map(|file| file.name).collect()
}

#[test]
fn each_series_lies_in_the_files_of_its_class_and_merges_stay_within() {
    let mut rig = start(&classes(&[("noise", "sound_level"), ("rain", "rainfall")]));
    assert_eq!(data_files(&rig), ["2026-03-0000000000.pts", "2026-03-c2-0000000001.pts"]);
    for at in 1..5 {
        rig.append(commit(at * 2, &[(0, MARCH + at as i64, 1.0), (1, MARCH + at as i64, 2.0)]));
        rig.flush();
    }
    let all = [rig.all(0), rig.all(1)];
    rig.compactor.merge_all().unwrap();
    rig.compactor.sweep();
    assert_eq!(data_files(&rig), ["2026-03-0000000008-1.pts", "2026-03-c2-0000000009-1.pts"]);
    assert_eq!([rig.all(0), rig.all(1)], all);
    // Without its manifest the names are lost; no other class takes their numbers.
    rig.files.remove(&Path::new(DIR).join("MANIFEST")).unwrap();
    let rig = Rig::keeping(rig.files.kill(), classes(&[("rain", "rainfall")]));
    assert_eq!([rig.all(0), rig.all(1)], all);
    assert_eq!(rig.recovery.kept_for_ever, ["c2 (its name is lost)"]);
}

#[test]
fn a_quantity_that_comes_back_to_its_old_class_keeps_its_newest_readings() {
    let (rain, none) = (classes(&[("rain", "rainfall")]), classes(&[]));
    let mut rig = start(&rain);
    for (retention, value) in [(&none, 2.0), (&rain, 3.0), (&none, 4.0)] {
        rig = Rig::keeping(rig.files.kill(), retention.clone());
        rig.append(commit(value as u64 * 2, &[(0, MARCH, value), (1, MARCH, value)]));
        rig.flush();
        rig.compactor.merge_all().unwrap();
        assert_eq!([rig.all(0), rig.all(1)], [[(MARCH, value)], [(MARCH, value)]]);
    }
    assert_eq!(rig.recovery.kept_for_ever, ["rain"]);
}

#[test]
fn files_of_a_class_are_not_merged_over_a_change() {
    // The old class gets a file after the change, in which the quantity is no longer.
    let both =
        Class { quantities: vec!["rainfall".to_owned(), "temperature".to_owned()], ..class("all", "") };
    let mut rig = start(&Retention { default: Keep::default(), classes: vec![both] });
    rig = Rig::keeping(rig.files.kill(), classes(&[("all", "temperature")]));
    rig.append(commit(2, &[(1, MARCH, 2.0)]));
    rig.flush();
    rig.append(commit(3, &[(0, MARCH, 2.0)]));
    rig.flush();
    rig.compactor.merge_all().unwrap();
    assert_eq!([rig.all(0), rig.all(1)], [[(MARCH, 2.0)], [(MARCH, 2.0)]]);
}
