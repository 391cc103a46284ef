//! `pantau-ingest check` for a database: tries everything that ingest will need of it and names the mend of what fails.
//!
//! In this order, because each step stands on those before: the address answers; the bucket is there (and is made when
//! that is wished); a line can be written with the token; it can be read back through `/query`. The line is one point of
//! the measurement `pantau_probe`.

use influxdb2::{
    RequestError,
    api::{buckets::ListBucketsRequest, organization::ListOrganizationRequest},
    models::PostBucketRequest,
};
use pantau_settings::Fault;

use super::influx::{Influx, has_rows};
use super::server::{Fault as ReadFault, Kind, Server};
use super::victoria::Victoria;
use super::writer::{Answer, Bounds, Writer, clipped, probe_line};

/// Seconds that VictoriaMetrics may take to show a new series; it is about ten.
const VISIBLE_WITHIN_S: u32 = 30;

/// What was found: lines for people; warnings do not make the check fail.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) fine: Vec<String>,
    pub(crate) warnings: Vec<String>,
}

/// Tries the database at the time `now` (milliseconds). Readings from `oldest` on are to be kept.
///
/// # Errors
/// The first thing that is wrong, with its key and mend.
pub(crate) async fn check(server: &Server, now: i64, oldest: i64, create: bool) -> Result<Report, Fault> {
    let made = |what| Fault::new("store.url", what, "write for example \"http://127.0.0.1:8086\"");
    let reading = server.reading().map_err(made)?;
    let writer = Writer {
        client: server.writing().map_err(made)?,
        bucket: server.bucket.clone(),
        bounds: Bounds::default(),
        alarm: Default::default(),
        stop: Default::default(),
    };
    let mut report = Report::default();
    match reading.get("/ping", &[], 1 << 16).await {
        Err(ReadFault::Transport(why)) if why.contains("certificate") => {
            let what = format!("{} cannot prove who it is: {why}", server.url);
            let mend = "name in store.ca_file the certificate of who has signed the server's, and in store.url the host \
                        that it is for";
            return Err(Fault::new("store.ca_file", what, mend));
        }
        Err(ReadFault::Transport(why)) => {
            let what = format!("{} does not answer: {why}", server.url);
            return Err(Fault::new("store.url", what, "start the database, or correct the address"));
        }
        Ok(_) | Err(_) => report.fine.push(format!("{} answers", server.url)),
    }
    if let Kind::Victoria { .. } = server.kind {
        victoria(&Victoria { client: reading }, &writer, server, now, oldest, &mut report).await?;
        return Ok(report);
    }
    bucket(&writer, server, now, oldest, create, &mut report).await?;
    match writer.post(probe_line(now)).await {
        Answer::Taken => report.fine.push(format!("bucket {} takes readings", server.bucket)),
        answer => return Err(unwritten(server, answer)),
    }
    let influx = Influx { client: reading, database: server.database.clone() };
    let query = format!(
        "SELECT \"value\" FROM \"pantau_probe\" WHERE \"device\"='pantau' AND time>={now}ms AND time<={now}ms"
    );
    let mapping = "map the bucket to a database: influx v1 dbrp create --db DATABASE --rp autogen --default --bucket-id ID, and set store.database";
    let read = match influx.ask(&query).await {
        Ok(body) => has_rows(&body),
        Err(fault) => Err(fault),
    };
    match read {
        Ok(true) => report.fine.push(format!("database {} gives them back", server.database)),
        Ok(false) => {
            let what = format!("{} does not have what was written into {}", server.database, server.bucket);
            return Err(Fault::new("store.database", what, mapping));
        }
        Err(fault @ ReadFault::Status(401 | 403, _)) => {
            let what = format!("the token may not read: {fault}");
            return Err(Fault::new("store.token", what, "make one that may read and write the bucket"));
        }
        Err(fault) => {
            let what = format!("{} cannot be read by /query: {fault}", server.database);
            return Err(Fault::new("store.database", what, mapping));
        }
    }
    Ok(report)
}

/// What VictoriaMetrics must be told on its command line, and that it gives back what it took.
async fn victoria(
    victoria: &Victoria,
    writer: &Writer,
    server: &Server,
    now: i64,
    oldest: i64,
    report: &mut Report,
) -> Result<(), Fault> {
    let process = victoria.process().await.map_err(|fault| {
        let what = format!("{} does not say how it was started: {fault}", server.url);
        Fault::new("store.url", what, "it must be a VictoriaMetrics whose /metrics can be read from here")
    })?;
    if process.dedup != "1ms" {
        let what = format!("-dedup.minScrapeInterval is {:?}", process.dedup);
        let mend =
            "start VictoriaMetrics with -dedup.minScrapeInterval=1ms, or what is sent again is kept twice";
        return Err(Fault::new("store.url", what, mend));
    }
    match process.retention_ms {
        Some(kept) if now.saturating_sub(kept) > oldest => report.warnings.push(format!(
            "{} keeps {} days only, while limits.oldest lets older readings in: those go to the quarantine, and stored \
             ones are deleted after that time. Start it with a longer -retentionPeriod, or raise limits.oldest",
            server.url,
            kept / 86_400_000
        )),
        Some(_) => {}
        None => report.warnings.push(format!("{} does not say how long it keeps points", server.url)),
    }
    match writer.post(probe_line(now)).await {
        Answer::Taken => report.fine.push(format!("{} takes readings", server.url)),
        answer => return Err(unwritten(server, answer)),
    }
    for _ in 0..VISIBLE_WITHIN_S {
        let found = victoria.range("pantau/pantau_probe", now..now + 1, 10).await.map_err(|fault| {
            let what = format!("{} cannot be read: {fault}", server.url);
            Fault::new("store.url", what, "it must be a VictoriaMetrics of one node with /api/v1/export")
        })?;
        if found.is_some_and(|points| points.times == [now]) {
            report.fine.push(format!("{} gives them back", server.url));
            return Ok(());
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    let what = format!("{} does not have what was written {VISIBLE_WITHIN_S} s ago", server.url);
    Err(Fault::new("store.url", what, "its own log says why; is -retentionPeriod too short?"))
}

/// The bucket and its retention, where the server tells of buckets.
async fn bucket(
    writer: &Writer,
    server: &Server,
    now: i64,
    oldest: i64,
    create: bool,
    report: &mut Report,
) -> Result<(), Fault> {
    let org = (!server.org.is_empty()).then(|| server.org.clone());
    let wanted = ListBucketsRequest { name: Some(server.bucket.clone()), org, ..Default::default() };
    let buckets = match writer.client.list_buckets(Some(wanted)).await {
        Ok(found) => found.buckets,
        Err(RequestError::Http { status, text }) if status.as_u16() == 401 => {
            let what = format!("the token is not known: {}", clipped(&text));
            return Err(Fault::new(
                "store.token",
                what,
                "make an API token in the database and give it here",
            ));
        }
        // InfluxDB says so of an organization or bucket that is not there.
        Err(RequestError::Http { status, text })
            if status.as_u16() == 404 && text.contains("not found") && text.contains("code") =>
        {
            Vec::new()
        }
        Err(error) => {
            let why = clipped(&error.to_string());
            report
                .warnings
                .push(format!("the server does not tell of its buckets, so retention is not checked: {why}"));
            return Ok(());
        }
    };
    let Some(found) = buckets.iter().find(|bucket| bucket.name == server.bucket) else {
        if create {
            return make(writer, server, report).await;
        }
        let what = format!("there is no bucket {} in organization {:?}", server.bucket, server.org);
        let mend =
            "make it (`pantau-ingest check --create-bucket` does), or correct store.bucket and store.org";
        return Err(Fault::new("store.bucket", what, mend));
    };
    let kept = found.retention_rules.iter().map(|rule| i64::from(rule.every_seconds)).find(|s| *s > 0);
    if let Some(seconds) = kept.filter(|seconds| now.saturating_sub(seconds.saturating_mul(1_000)) > oldest) {
        report.warnings.push(format!(
            "bucket {} keeps {} days only, while limits.oldest lets older readings in: those go to the quarantine, and \
             stored ones are deleted after that time. Let the bucket keep more, or raise limits.oldest",
            server.bucket,
            seconds / 86_400
        ));
    }
    report.fine.push(format!("bucket {} is there", server.bucket));
    Ok(())
}

async fn make(writer: &Writer, server: &Server, report: &mut Report) -> Result<(), Fault> {
    let failed = |error: RequestError| {
        let what = format!("bucket {} cannot be made: {}", server.bucket, clipped(&error.to_string()));
        Fault::new("store.bucket", what, "give a token that may make buckets, or make it by hand")
    };
    let asked = ListOrganizationRequest { org: Some(server.org.clone()), ..Default::default() };
    let found = writer.client.list_organizations(asked).await.map_err(failed)?;
    let org =
        found.orgs.into_iter().find(|org| org.name == server.org || org.id.as_ref() == Some(&server.org));
    let Some(id) = org.and_then(|org| org.id) else {
        let what = format!("there is no organization {:?}", server.org);
        return Err(Fault::new("store.org", what, "correct it: influx org list shows them"));
    };
    // No rule: readings are kept for ever.
    let bucket = PostBucketRequest::new(id, server.bucket.clone());
    writer.client.create_bucket(Some(bucket)).await.map_err(failed)?;
    report.fine.push(format!("bucket {} was made; it keeps readings for ever", server.bucket));
    Ok(())
}

fn unwritten(server: &Server, answer: Answer) -> Fault {
    let key = match &answer {
        Answer::Stop(why) if why.starts_with("401") || why.starts_with("403") => "store.token",
        Answer::Stop(_) => "store.bucket",
        _ => "store.url",
    };
    let why = match answer {
        Answer::Stop(why) | Answer::Bad(why) | Answer::Later(why) => why,
        Answer::TooLarge => "413: a single line is too large for it".to_owned(),
        Answer::Taken => String::new(),
    };
    let mend = "the answer says what is wrong; the database's own log says more";
    Fault::new(key, format!("bucket {} takes no readings: {why}", server.bucket), mend)
}
