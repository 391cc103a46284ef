//! Two things are made at build time, so that neither can fail at run time: client and server code from
//! the schemas (protox reads them, no protoc is needed), and the static table of quantities from
//! `quantities.csv`.

use std::error::Error;
use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

const SCHEMAS: [&str; 2] = ["proto/pantau/v1/uplink.proto", "proto/pantau/v1/device.proto"];
const CATALOGUE: &str = "quantities.csv";

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    println!("cargo::rerun-if-changed={CATALOGUE}");

    let descriptors = protox::compile(SCHEMAS, ["proto"])?;
    // `bytes::Bytes` for compressed bodies and refused payloads: they are cut out of the received
    // buffer, not copied.
    tonic_prost_build::configure().bytes(".").emit_rerun_if_changed(false).compile_fds(descriptors)?;

    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("quantities.rs"), table(&fs::read_to_string(CATALOGUE)?)?)?;
    Ok(())
}

/// The catalogue as the source of a sorted array.
fn table(csv: &str) -> Result<String, Box<dyn Error>> {
    let mut rows = Vec::new();
    for (number, line) in csv.lines().enumerate().skip(1) {
        let fields: Vec<&str> = line.split(',').collect();
        let [name, kind, title_id, title_en, unit, senml, cf, min, max] = fields[..] else {
            return Err(format!("{CATALOGUE}:{}: nine fields wanted", number + 1).into());
        };
        let kind = match kind {
            "gauge" => "Gauge",
            "amount" => "Amount",
            "angle" => "Angle",
            "counter" => "Counter",
            "state" => "State",
            other => return Err(format!("{CATALOGUE}:{}: kind {other:?}", number + 1).into()),
        };
        let (min, max): (f64, f64) = (min.parse()?, max.parse()?);
        let mut row = String::new();
        write!(
            row,
            "Quantity {{ name: {name:?}, kind: Kind::{kind}, title_id: {title_id:?}, title_en: {title_en:?}, \
             unit: {unit:?}, senml_unit: {senml:?}, cf_name: {cf:?}, plausible_min: {min:?}_f64, \
             plausible_max: {max:?}_f64 }},"
        )?;
        rows.push((name, row));
    }
    rows.sort();
    if rows.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("{CATALOGUE}: a name stands twice").into());
    }
    let mut out = format!("static QUANTITIES: [Quantity; {}] = [\n", rows.len());
    for (_, row) in rows {
        writeln!(out, "    {row}")?;
    }
    out.push_str("];\n");
    Ok(out)
}
