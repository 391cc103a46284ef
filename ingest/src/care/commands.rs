//! `pantau-ingest verify|backup|restore`: their arguments, what they print, and their exit codes.

use super::{CareError, QUARANTINE, backup, restore, stores};
use crate::{
    clock::Clock,
    config::Config,
    quarantine,
    startup::AppError,
    store::embedded::{self, Checked, Finding},
};
use clap::Args;
use pantau_journal::ReadOnlyFiles;
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// The data folder, by name or by the configuration that names it.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct DataDir {
    /// The data folder (`data_dir` of the configuration)
    #[arg(value_name = "DIR")]
    dir: Option<PathBuf>,
    /// TOML file of the ingest whose data folder it is, instead of DIR
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Arguments of `verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    data: DataDir,
}

/// Arguments of `backup`.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub struct BackupArgs {
    #[command(flatten)]
    data: DataDir,
    /// Folder for the backup: empty, or not there yet
    #[arg(value_name = "TARGET")]
    target: PathBuf,
}

/// Arguments of `restore`.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// Folder of a backup
    #[arg(value_name = "BACKUP")]
    backup: PathBuf,
    #[command(flatten)]
    data: DataDir,
}

impl DataDir {
    fn resolve(self) -> Result<PathBuf, AppError> {
        let configured = self.config.as_deref().map(pantau_settings::load::<Config>).transpose()?;
        let dir = self.dir.or_else(|| configured.map(|config| config.ingest.data_dir));
        Ok(dir.unwrap_or_else(|| Config::default().ingest.data_dir))
    }
}

/// Checks a data folder and prints what it finds.
///
/// # Errors
/// When the folder cannot be checked. Damage is exit code 1.
#[expect(clippy::print_stdout, reason = "its findings are what the command is for")]
pub(crate) async fn run_verify(args: VerifyArgs) -> Result<ExitCode, AppError> {
    let dir = args.data.resolve()?;
    let mut checked = Checked::default();
    for store in stores(&dir) {
        let told = &mut |finding: Finding| println!("{store}/{finding}");
        checked +=
            embedded::verify(&ReadOnlyFiles::new(), &dir.join(store), told).map_err(CareError::from)?;
    }
    let database = dir.join(QUARANTINE);
    if database.exists() {
        checked.files += 1;
        checked.bytes += database.metadata().map_or(0, |meta| meta.len());
        for what in quarantine::check(&database).await.map_err(CareError::Unchecked)? {
            checked.findings += 1;
            println!(
                "{QUARANTINE}: {what}; costs: refused payloads and loss records in the list, no readings; mend: stop ingest \
                 and move the file away, or copy it back from a backup; it is made anew from what the journal still has"
            );
        }
    }
    println!(
        "{}: {} files, {} blocks, {} readings in blocks, {} series, {} commits in the journal, {} bytes checked",
        verdict(checked.findings),
        checked.files,
        checked.blocks,
        checked.readings,
        checked.series,
        checked.commits,
        checked.bytes
    );
    Ok(ExitCode::from(u8::from(checked.findings > 0)))
}

fn verdict(findings: u64) -> String {
    match findings {
        0 => "sound".to_owned(),
        1 => "1 place is damaged".to_owned(),
        more => format!("{more} places are damaged"),
    }
}

/// Makes a backup and prints what it holds.
///
/// # Errors
/// When there is none. One that lacks what the store itself has lost is exit code 1.
#[expect(clippy::print_stdout, clippy::print_stderr, reason = "the command line is this file's business")]
pub(crate) async fn run_backup(args: BackupArgs) -> Result<ExitCode, AppError> {
    let dir = args.data.resolve()?;
    let done = backup::backup(&dir, &args.target, Clock::system().now()).await?;
    println!(
        "{}: complete; {}, {} bytes of them linked",
        shown(&args.target),
        told(&done.marker),
        done.linked
    );
    for lacking in &done.lacking {
        eprintln!(
            "pantau-ingest: warning: the store itself has lost {lacking}, so that the backup lacks it; see verify"
        );
    }
    Ok(ExitCode::from(u8::from(!done.lacking.is_empty())))
}

/// Restores a backup and prints what that brought.
///
/// # Errors
/// When the backup is not whole or the folder not empty.
#[expect(clippy::print_stdout, reason = "the command line is this file's business")]
pub(crate) fn run_restore(args: RestoreArgs) -> Result<ExitCode, AppError> {
    let dir = args.data.resolve()?;
    let marker = restore::restore(&args.backup, &dir)?;
    println!(
        "{}: restored; {}\nStart ingest on it: gateways send again what came later, as far as they still have it.",
        shown(&dir),
        told(&marker)
    );
    Ok(ExitCode::SUCCESS)
}

fn told(marker: &super::marker::Marker) -> String {
    format!("{} files, {} bytes, made {}", marker.files.len(), marker.bytes(), marker.made)
}

fn shown(path: &Path) -> std::path::Display<'_> {
    path.display()
}
