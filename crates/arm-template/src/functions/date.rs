//! Dates: .NET formats with the invariant culture, ISO 8601 durations.

use super::{Allowed, Arguments, Function, Outcome};
use crate::expr::Call;
use crate::expr::eval::{Eval, Evaluator, Fault};
use crate::value::integer;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use jiff::{Span, Timestamp};
use serde_json::Value;
use std::fmt::Write as _;

pub(super) static FUNCTIONS: &[Function] = &[
    Function::plain("dateTimeAdd", 2, 3, date_time_add),
    Function::plain("dateTimeFromEpoch", 1, 1, date_time_from_epoch),
    Function::plain("dateTimeToEpoch", 1, 1, date_time_to_epoch),
    Function::special("newGuid", 0, 0, new_guid).only(Allowed::ParameterDefault),
    Function::special("utcNow", 0, 1, utc_now).only(Allowed::ParameterDefault),
];

/// What `utcNow()` prints without a format.
const COMPACT: &str = "yyyyMMddTHHmmssZ";
/// What `dateTimeAdd` prints without a format, by the documentation's own example.
const GENERAL: &str = "M/d/yyyy h:mm:ss tt";

fn new_guid(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    match evaluator.guid {
        Some(guid) => Ok(guid().to_string().into()),
        None => Err(Fault::new(crate::expr::eval::unexpected_here(&call.name))),
    }
}

fn utc_now(evaluator: &mut Evaluator<'_>, call: &Call) -> Eval<Value> {
    let values = evaluator.arguments(call)?;
    let mut arguments = Arguments { name: "utcNow", values };
    let now = utc(evaluator.scope.now);
    let pattern = if arguments.len() == 1 { arguments.string(0) } else { Ok(COMPACT.to_owned()) };
    pattern
        .and_then(|pattern| print(now, &pattern).map_err(|reason| arguments.error(reason)))
        .map(Value::from)
        .map_err(Fault::new)
}

fn date_time_to_epoch(mut arguments: Arguments) -> Outcome {
    let text = arguments.string(0)?;
    let moment = read(&text).ok_or_else(|| arguments.error(not_a_date(&text)))?;
    Ok(integer(seconds(moment)))
}

fn seconds(moment: DateTime) -> i64 {
    Offset::UTC.to_timestamp(moment).map_or(0, Timestamp::as_second)
}

fn date_time_from_epoch(mut arguments: Arguments) -> Outcome {
    let seconds = arguments.integer(0)?;
    let moment = Timestamp::from_second(seconds)
        .map_err(|_| arguments.error(format_args!("the number of seconds '{seconds}' is out of range")))?;
    let moment = utc(moment);
    print(moment, "yyyy-MM-ddTHH:mm:ssZ").map(Value::from).map_err(|reason| arguments.error(reason))
}

fn date_time_add(mut arguments: Arguments) -> Outcome {
    let (base, duration) = (arguments.string(0)?, arguments.string(1)?);
    let pattern = if arguments.len() == 3 { arguments.string(2)? } else { GENERAL.to_owned() };
    let moment = read(&base).ok_or_else(|| arguments.error(not_a_date(&base)))?;
    let span: Span = duration.parse().map_err(|_| {
        arguments.error(format_args!("the duration '{duration}' is not a valid ISO 8601 duration"))
    })?;
    let moved = moment
        .checked_add(span)
        .map_err(|_| arguments.error(format_args!("adding '{duration}' to '{base}' is out of range")))?;
    print(moved, &pattern).map(Value::from).map_err(|reason| arguments.error(reason))
}

fn utc(moment: Timestamp) -> DateTime {
    Offset::UTC.to_datetime(moment)
}

fn not_a_date(text: &str) -> String {
    format!("'{text}' is not a valid date and time")
}

/// Reads a date as UTC: ISO 8601 in its usual forms, and the form that this module prints by default.
fn read(text: &str) -> Option<DateTime> {
    let text = text.trim();
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Some(utc(moment));
    }
    if let Some(compact) = text.strip_suffix('Z').filter(|text| text.len() == 15) {
        return DateTime::strptime("%Y%m%dT%H%M%S", compact).ok();
    }
    let plain = text.strip_suffix(['Z', 'z']).map_or(text, str::trim_end);
    if let Ok(moment) = plain.parse::<DateTime>() {
        return Some(moment);
    }
    if let Ok(date) = plain.parse::<Date>() {
        return Some(date.at(0, 0, 0, 0));
    }
    ["%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S"]
        .iter()
        .find_map(|pattern| DateTime::strptime(pattern, plain).ok())
        .or_else(|| Date::strptime("%m/%d/%Y", plain).ok().map(|date| date.at(0, 0, 0, 0)))
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

/// Prints by a .NET standard format (one letter) or a custom one.
fn print(moment: DateTime, pattern: &str) -> Result<String, String> {
    let pattern = match pattern {
        "" | "G" => "MM/dd/yyyy HH:mm:ss",
        "d" => "MM/dd/yyyy",
        "D" => "dddd, dd MMMM yyyy",
        "f" => "dddd, dd MMMM yyyy HH:mm",
        "F" | "U" => "dddd, dd MMMM yyyy HH:mm:ss",
        "g" => "MM/dd/yyyy HH:mm",
        "m" | "M" => "MMMM dd",
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffffK",
        "r" | "R" => "ddd, dd MMM yyyy HH:mm:ss 'GMT'",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "t" => "HH:mm",
        "T" => "HH:mm:ss",
        "u" => "yyyy-MM-dd HH:mm:ss'Z'",
        "y" | "Y" => "yyyy MMMM",
        single if single.chars().count() == 1 => {
            return Err(format!("the format '{single}' is not a valid date and time format"));
        }
        custom => custom,
    };
    custom(moment, pattern)
}

fn custom(moment: DateTime, pattern: &str) -> Result<String, String> {
    let mut output = String::new();
    let mut rest = pattern;
    while let Some(letter) = rest.chars().next() {
        let run = rest.chars().take_while(|c| *c == letter).count();
        match letter {
            '\'' | '"' => {
                let quoted = &rest[1..];
                let end =
                    quoted.find(letter).ok_or_else(|| format!("the format '{pattern}' has an open quote"))?;
                output.push_str(&quoted[..end]);
                rest = &quoted[end + 1..];
                continue;
            }
            '\\' | '%' => {
                let mut following = rest[1..].chars();
                let next = following.next().ok_or_else(|| format!("the format '{pattern}' is not valid"))?;
                if letter == '\\' {
                    output.push(next);
                    rest = following.as_str();
                } else {
                    rest = &rest[1..];
                }
                continue;
            }
            _ => {}
        }
        field(&mut output, moment, letter, run);
        rest = &rest[letter.len_utf8() * run..];
    }
    Ok(output)
}

/// One field: a letter and how often it stands.
fn field(output: &mut String, moment: DateTime, letter: char, run: usize) {
    let number = |output: &mut String, value: i64, width: usize| {
        let _ = write!(output, "{value:0>width$}");
    };
    let two = run.min(2);
    let hour = i64::from(moment.hour());
    let twelve = if hour % 12 == 0 { 12 } else { hour % 12 };
    let weekday = DAYS[moment.weekday().to_monday_zero_offset().unsigned_abs() as usize];
    let month = MONTHS[(moment.month() - 1).unsigned_abs() as usize];
    match letter {
        'y' if run <= 2 => number(output, i64::from(moment.year() % 100), run),
        'y' => number(output, i64::from(moment.year()), run),
        'M' if run <= 2 => number(output, i64::from(moment.month()), run),
        'M' => output.push_str(if run == 3 { &month[..3] } else { month }),
        'd' if run <= 2 => number(output, i64::from(moment.day()), run),
        'd' => output.push_str(if run == 3 { &weekday[..3] } else { weekday }),
        'H' => number(output, hour, two),
        'h' => number(output, twelve, two),
        'm' => number(output, i64::from(moment.minute()), two),
        's' => number(output, i64::from(moment.second()), two),
        'f' | 'F' => {
            let digits = format!("{:09}", moment.subsec_nanosecond());
            let digits = &digits[..run.min(7)];
            output.push_str(if letter == 'F' { digits.trim_end_matches('0') } else { digits });
        }
        't' => output.push_str(&(if hour < 12 { "AM" } else { "PM" })[..two]),
        'K' => (0..run).for_each(|_| output.push('Z')),
        'z' => output.push_str(["+0", "+00", "+00:00"][run.min(3) - 1]),
        'g' => output.push_str("A.D."),
        other => (0..run).for_each(|_| output.push(other)),
    }
}
