//! Embeds the web page, so that ingest needs no file beside its binary.

use std::path::Path;

fn main() {
    let dist = Path::new("../dashboards/web/dist");
    println!("cargo::rerun-if-changed={}", dist.display());
    let dist = match dist.canonicalize() {
        Ok(path) => path,
        Err(error) => {
            println!(
                "cargo::error=dashboards/web/dist cannot be read ({error}); build the page with `make web`"
            );
            return;
        }
    };
    let Some(out) = std::env::var_os("OUT_DIR") else { return };
    let out = Path::new(&out);
    let assets = memory_serve::assets_to_code(&dist.display().to_string(), &dist, out, true, |_| {});
    // The list is written only when it differs, so that an unchanged page never rebuilds ingest.
    let (target, code) = (out.join("memory_serve_assets.rs"), format!("&[(\"default\", {assets})]"));
    if std::fs::read_to_string(&target).is_ok_and(|old| old == code) {
        return;
    }
    if let Err(error) = std::fs::write(&target, code) {
        println!("cargo::error={} cannot be written: {error}", target.display());
    }
}
