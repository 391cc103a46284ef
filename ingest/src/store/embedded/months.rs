//! Which UTC month a time belongs to. Exists because files are cut by month (retention drops whole files), and so that no
//! calendar library decides on the cut. Months are counted from January 1970 (0); the proleptic Gregorian calendar holds
//! for every i64 time. Algorithm: Howard Hinnant, "chrono-compatible low-level date algorithms".

const DAY_MS: i64 = 86_400_000;

/// Months since January 1970 of a time in milliseconds since the epoch.
pub(crate) fn month_of(time_ms: i64) -> i64 {
    let days = time_ms.div_euclid(DAY_MS) + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let (month, carry) = if shifted < 10 { (shifted + 2, 0) } else { (shifted - 10, 1) };
    let year = year_of_era + era * 400 + carry;
    (year - 1970) * 12 + month
}

/// First millisecond of a month, saturating at the ends of i64.
pub(crate) fn month_start(month: i64) -> i64 {
    let year = 1970 + month.div_euclid(12);
    let month0 = month.rem_euclid(12);
    let (year, shifted) = if month0 >= 2 { (year, month0 - 2) } else { (year - 1, month0 + 10) };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * shifted + 2) / 5;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468).saturating_mul(DAY_MS)
}

/// `2026-03`, for names of files.
pub(crate) fn month_name(month: i64) -> String {
    format!("{:04}-{:02}", 1970 + month.div_euclid(12), month.rem_euclid(12) + 1)
}
