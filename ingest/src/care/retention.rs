//! `pantau-ingest retention`: what is dropped, and when, before it is.

use super::CareError;
use crate::{
    clock::Clock,
    config::{Config, Engine},
    startup::{self, AppError},
    store::embedded::{Month, outlook},
};
use clap::Args;
use pantau_journal::ReadOnlyFiles;
use pantau_settings::{Fault, Size};
use std::{fmt::Write, path::PathBuf};

/// Arguments of `retention`.
#[derive(Debug, Args)]
pub struct RetentionArgs {
    /// TOML file of that ingest, as it is or as it is to be
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// What goes at this time, if readings go on coming until then, instead of now: 2027-01-31 or 2027-01-31T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = instant)]
    at: Option<i64>,
}

fn instant(text: &str) -> Result<i64, String> {
    let time = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    time.map(|time: jiff::Timestamp| time.as_millisecond())
        .map_err(|_| "write a day as 2027-01-31 or a time as 2027-01-31T12:00:00Z".to_owned())
}

/// Prints what is kept and what goes when.
///
/// # Errors
/// When there is no store, or it cannot be read.
#[expect(clippy::print_stdout, reason = "that is what the command is for")]
pub(crate) fn run_retention(args: RetentionArgs) -> Result<(), AppError> {
    let config = args.config.as_deref().map(pantau_settings::load::<Config>).transpose()?.unwrap_or_default();
    if config.store.engine != Engine::Embedded {
        let mend = "look at the retention of the database";
        return Err(Fault::new("store.engine", "keeps readings in a database, not in files", mend).into());
    }
    let (dir, retention) = (startup::engine(&config).dir, config.retention());
    let asked = args.at.unwrap_or_else(|| Clock::system().now().0);
    let (months, now) = outlook(&ReadOnlyFiles::new(), &dir, &retention, asked, args.at.is_some())
        .map_err(CareError::from)?;
    print!("{}", table(&months));
    let size = |goes: fn(&Month) -> bool, bytes: fn(&Month) -> u64| {
        Size(months.iter().filter(|month| goes(month)).map(bytes).sum())
    };
    println!(
        "At {}: {} of readings and {} of roll-ups go.",
        time(asked),
        size(|month| month.raw_goes, |month| month.raw_bytes),
        size(|month| month.rollup_goes, |month| month.rollup_bytes)
    );
    if now != asked {
        println!(
            "The newest file is older than the month before that. Until newer readings come, nothing goes that would not \
             go at {}.",
            time(now)
        );
    }
    Ok(())
}

fn table(months: &[Month]) -> String {
    let end = |end: Option<i64>, goes: bool| match end {
        _ if goes => "goes".to_owned(),
        Some(end) => time(end),
        None => "never".to_owned(),
    };
    let mut rows =
        vec![["class", "month", "readings", "roll-ups", "readings go", "roll-ups go"].map(str::to_owned)];
    rows.extend(months.iter().map(|month| {
        [
            month.class.clone(),
            month.month.clone(),
            Size(month.raw_bytes).to_string(),
            Size(month.rollup_bytes).to_string(),
            if month.raw_bytes == 0 { "gone".to_owned() } else { end(month.raw_end, month.raw_goes) },
            end(month.rollup_end, month.rollup_goes),
        ]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}", width = *width)).collect();
        // A String is always written to.
        let _ = writeln!(text, "{}", cells.join("  ").trim_end());
    }
    text
}

fn time(ms: i64) -> String {
    let known = jiff::Timestamp::from_millisecond(ms);
    known.map_or_else(|_| ms.to_string(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_says_what_goes_and_when() {
        let goes = Month {
            class: "noise".to_owned(),
            month: "2026-01".to_owned(),
            raw_bytes: 2 << 20,
            rollup_bytes: 1 << 10,
            raw_end: Some(0),
            raw_goes: true,
            ..Month::default()
        };
        let gone = Month { raw_bytes: 0, rollup_end: Some(86_400_000), ..goes.clone() };
        let lines: Vec<String> = table(&[goes, gone]).lines().map(str::to_owned).collect();
        assert_eq!(
            lines,
            [
                "class  month    readings  roll-ups  readings go  roll-ups go",
                "noise  2026-01  2 MiB     1 KiB     goes         never",
                "noise  2026-01  0 B       1 KiB     gone         1970-01-02 00:00 UTC",
            ]
        );
    }

    #[test]
    fn a_time_is_a_day_or_an_instant() {
        assert_eq!(instant("1970-01-02"), Ok(86_400_000));
        assert_eq!(instant("1970-01-02T07:00:00+07:00"), Ok(86_400_000));
        assert!(instant("tomorrow").is_err());
    }
}
